// An independent reader of sealed files, written from docs/FORMAT.md alone:
//   java EncpReader.java HEXKEY FILE...
// prints the plaintext of each file, or says why one is refused (exit status 1).
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.MessageDigest;
import java.util.*;
import javax.crypto.Cipher;
import javax.crypto.spec.*;

public class EncpReader {
    static final int DIGEST = 32, TAG = 16, MAX_HEADER = 4096;

    public static void main(String[] args) throws Exception {
        byte[] key = HexFormat.of().parseHex(args[0]);
        for (String name : Arrays.asList(args).subList(1, args.length)) {
            try {
                System.out.write(open(key, Files.readAllBytes(Path.of(name))));
            } catch (Refused e) {
                System.err.println(name + ": " + e.getMessage());
                System.exit(1);
            }
        }
        System.out.flush();
    }

    static class Refused extends Exception {
        Refused(String why) { super(why); }
    }

    static byte[] open(byte[] key, byte[] file) throws Exception {
        int end = file.length - DIGEST;
        if (end < 0) throw new Refused("cut short");
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(Arrays.copyOf(file, end));
        if (!MessageDigest.isEqual(sum, Arrays.copyOfRange(file, end, file.length)))
            throw new Refused("the digest does not match");

        int blank = -1;
        for (int i = 0; i + 1 < Math.min(end, MAX_HEADER) && blank < 0; i++)
            if (file[i] == '\n' && file[i + 1] == '\n') blank = i;
        if (blank < 0) throw new Refused("the header has no end");
        byte[] header = Arrays.copyOf(file, blank + 2);
        byte[] body = Arrays.copyOfRange(file, blank + 2, end);

        String[] lines = new String(header, StandardCharsets.UTF_8).split("\n");
        if (!lines[0].equals("ssovault sealed file 1")) throw new Refused("another version: " + lines[0]);
        Map<String, String> field = new HashMap<>();
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(": ");
            if (colon < 0 || field.put(lines[i].substring(0, colon), lines[i].substring(colon + 2)) != null)
                throw new Refused("line " + (i + 1));
        }
        if (Integer.parseInt(field.get("body-length")) != body.length) throw new Refused("the body's length");

        byte[] iv, sealed;
        switch (field.get("iv")) {
            case "caller":
                iv = Arrays.copyOf(body, 12);
                sealed = Arrays.copyOfRange(body, 12, body.length);
                break;
            case "token-appended":
                iv = Arrays.copyOfRange(body, body.length - 16, body.length);
                sealed = Arrays.copyOf(body, body.length - 16);
                break;
            case "token-written":
                iv = Arrays.copyOfRange(body, body.length - 12, body.length);
                sealed = Arrays.copyOf(body, body.length - 12);
                break;
            default:
                throw new Refused("the IV convention " + field.get("iv"));
        }
        Cipher gcm = Cipher.getInstance("AES/GCM/NoPadding");
        gcm.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(TAG * 8, iv));
        gcm.updateAAD(header);
        return gcm.doFinal(sealed);
    }
}
