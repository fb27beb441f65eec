import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;

/**
 * Reads its configuration below where it works, writes it again, and waits.
 * App.class beside it: javac --release 17 -g:none App.java
 */
public final class App {
    public static void main(String[] arguments) throws Exception {
        Path file = Path.of("conf/app.properties");
        Properties conf = new Properties();
        try (var in = Files.newInputStream(file)) {
            conf.load(in);
        }
        int starts = Integer.parseInt(conf.getProperty("starts")) + 1;
        conf.setProperty("starts", Integer.toString(starts));
        try (var out = Files.newOutputStream(file)) {
            conf.store(out, null);
        }
        Files.writeString(Files.createDirectories(Path.of("work")).resolve("pid"), "1");
        System.out.println(conf.getProperty("greeting") + ", started " + starts + " times");
        new CountDownLatch(1).await();
    }
}
