import java.util.HexFormat;
import java.util.Scanner;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/**
 * Wraps or unwraps an AES key by RFC 5649 as Java's own provider does. Standard
 * input is the wrapping key and the other bytes, a line of hexadecimal digits
 * each.
 */
public class KeyWrap {
    public static void main(String[] args) throws Exception {
        HexFormat hex = HexFormat.of();
        Scanner in = new Scanner(System.in);
        SecretKeySpec wrapper = new SecretKeySpec(hex.parseHex(in.nextLine()), "AES");
        byte[] bytes = hex.parseHex(in.nextLine());
        Cipher cipher = Cipher.getInstance("AES/KWP/NoPadding");
        if (args[0].equals("wrap")) {
            cipher.init(Cipher.WRAP_MODE, wrapper);
            bytes = cipher.wrap(new SecretKeySpec(bytes, "AES"));
        } else {
            cipher.init(Cipher.UNWRAP_MODE, wrapper);
            bytes = cipher.unwrap(bytes, "AES", Cipher.SECRET_KEY).getEncoded();
        }
        System.out.println(hex.formatHex(bytes));
    }
}
