// What a Java service does by itself, with nothing but its JDK:
//   java Start unseal BASE        prints both plaintexts, instance first
//   java Start run BASE CMD ...   opens both files, then runs CMD
// SunPKCS11 can neither look for a token by its serial number nor read a data
// object: it takes the first slot, and does not ask for the generation.
import java.io.ByteArrayOutputStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.util.Arrays;
import java.util.Properties;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;

public class Start {
    static final int IV = 12, TAG = 16, DIGEST = 32;

    public static void main(String[] args) throws Exception {
        Path base = Path.of(args[1]);
        Properties sks = new Properties();
        try (Reader in = Files.newBufferedReader(base.resolve("data/sks.properties"))) {
            sks.load(in);
        }
        // "--" says that the configuration itself follows, not a file's name.
        Provider provider = Security.getProvider("SunPKCS11").configure(
            "--name=Bench\nlibrary=" + sks.getProperty("sks.library") + "\nslotListIndex=0\n");
        char[] pin = Files.readString(base.resolve("sks.pin")).strip().toCharArray();
        KeyStore token = KeyStore.getInstance("PKCS11", provider);
        token.load(null, pin);
        Key key = token.getKey(sks.getProperty("sks.key.label"), null);
        ByteArrayOutputStream plain = new ByteArrayOutputStream();
        for (String name : new String[] {"instance.encp", "shared.encp"}) {
            plain.write(open(provider, key, Files.readAllBytes(base.resolve("data").resolve(name))));
        }
        if (args[0].equals("unseal")) {
            System.out.write(plain.toByteArray());
            System.out.flush();
        } else {
            System.exit(new ProcessBuilder(Arrays.asList(args).subList(2, args.length)).inheritIO().start().waitFor());
        }
    }

    static byte[] open(Provider provider, Key key, byte[] file) throws Exception {
        int body = new String(file, StandardCharsets.ISO_8859_1).indexOf("\n\n") + 2;
        Cipher gcm = Cipher.getInstance("AES/GCM/NoPadding", provider);
        gcm.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(TAG * 8, file, body, IV));
        gcm.updateAAD(file, 0, body);
        return gcm.doFinal(file, body + IV, file.length - DIGEST - body - IV);
    }
}
