import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Properties;

/**
 * Answers a line a request, so that one JVM serves a whole test:
 *   load HEX    reads a file from bytes       -> KEY=VALUE,KEY=VALUE in hex of UTF-16BE, or "error"
 *   text HEX    reads a file from UTF-8 text  -> the same
 *   store K=V,K=V  in hex of UTF-16BE         -> the file in hex
 */
public class PropertiesHex {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        for (String line; (line = in.readLine()) != null; ) {
            int space = line.indexOf(' ');
            String argument = line.substring(space + 1);
            switch (line.substring(0, space)) {
                case "load" -> out.println(load(HEX.parseHex(argument), false));
                case "text" -> out.println(load(HEX.parseHex(argument), true));
                case "store" -> out.println(store(argument));
                default -> throw new IllegalArgumentException(line);
            }
        }
        out.flush();
    }

    private static String load(byte[] file, boolean text) throws Exception {
        var properties = new Properties();
        try {
            if (text) {
                properties.load(new InputStreamReader(new ByteArrayInputStream(file), StandardCharsets.UTF_8));
            } else {
                properties.load(new ByteArrayInputStream(file));
            }
        } catch (IllegalArgumentException e) {
            return "error";
        }
        var result = new StringBuilder();
        for (String key : properties.stringPropertyNames()) {
            if (result.length() > 0) {
                result.append(',');
            }
            result.append(hex(key)).append('=').append(hex(properties.getProperty(key)));
        }
        return result.toString();
    }

    private static String store(String pairs) throws Exception {
        var properties = new Properties();
        for (String pair : pairs.split(",")) {
            int equals = pair.indexOf('=');
            properties.setProperty(text(pair.substring(0, equals)), text(pair.substring(equals + 1)));
        }
        var out = new ByteArrayOutputStream();
        properties.store(out, "stored\nby Java \u00e9 \u20ac");
        return HEX.formatHex(out.toByteArray());
    }

    private static String hex(String s) {
        // Not getBytes: that would replace half of a surrogate pair.
        var bytes = new byte[2 * s.length()];
        for (int i = 0; i < s.length(); i++) {
            bytes[2 * i] = (byte) (s.charAt(i) >> 8);
            bytes[2 * i + 1] = (byte) s.charAt(i);
        }
        return HEX.formatHex(bytes);
    }

    private static String text(String hex) {
        return new String(HEX.parseHex(hex), StandardCharsets.UTF_16BE);
    }
}
