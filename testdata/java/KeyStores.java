import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import javax.crypto.spec.SecretKeySpec;

/** Writes the key stores that keytool refuses to make: KeyStores SOURCE.p12 PASSWORD FOLDER. */
public class KeyStores {
    private static Key key;
    private static Certificate[] chain;

    public static void main(String[] args) throws Exception {
        var source = KeyStore.getInstance("PKCS12");
        try (var in = new FileInputStream(args[0])) {
            source.load(in, args[1].toCharArray());
        }
        String alias = source.aliases().nextElement();
        key = source.getKey(alias, args[1].toCharArray());
        chain = source.getCertificateChain(alias);
        var folder = Path.of(args[2]);

        write(withKey("JKS", ""), "", folder.resolve("empty.jks"));
        write(withKey("JKS", "schlüssel"), "geheim-ß", folder.resolve("latin1.jks"));
        write(withKey("JKS", "storepass"), "密码密码密码", folder.resolve("chinese.jks"));
        write(withKey("JCEKS", "storepass"), "storepass", folder.resolve("jceks.jks"));
        write(withKey("PKCS12", "keypass"), "storepass", folder.resolve("keypass.p12"));
        for (String type : new String[] {"JKS", "PKCS12"}) {
            String extension = type.equals("JKS") ? ".jks" : ".p12";

            var two = withKey(type, "storepass");
            two.setKeyEntry("second", key, "storepass".toCharArray(), chain);
            write(two, "storepass", folder.resolve("two" + extension));

            var beside = withKey(type, "storepass");
            beside.setCertificateEntry("trusted", chain[chain.length - 1]);
            if (type.equals("PKCS12")) {
                beside.setEntry("aes", new KeyStore.SecretKeyEntry(new SecretKeySpec(new byte[32], "AES")),
                    new KeyStore.PasswordProtection("storepass".toCharArray()));
            }
            write(beside, "storepass", folder.resolve("beside" + extension));

            var trust = empty(type);
            for (int i = 0; i < chain.length; i++) {
                trust.setCertificateEntry("ca" + i, chain[i]);
            }
            write(trust, "storepass", folder.resolve("trust" + extension));
            write(empty(type), "storepass", folder.resolve("nothing" + extension));
        }
    }

    private static KeyStore empty(String type) throws Exception {
        var store = KeyStore.getInstance(type);
        store.load(null, null);
        return store;
    }

    private static KeyStore withKey(String type, String password) throws Exception {
        var store = empty(type);
        store.setKeyEntry("server", key, password.toCharArray(), chain);
        return store;
    }

    private static void write(KeyStore store, String password, Path file) throws Exception {
        try (var out = new FileOutputStream(file.toFile())) {
            store.store(out, password.toCharArray());
        }
    }
}
