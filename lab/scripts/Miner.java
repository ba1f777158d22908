// demine lab: a stand-in for a miner written in Java. It says Stratum to the lab's stub of a pool and burns CPU.
import java.io.OutputStream;
import java.net.Socket;
import java.security.MessageDigest;

public class Miner {
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 2; i++) {
            Thread t = new Thread(Miner::burn);
            t.setDaemon(true);
            t.start();
        }
        int colon = args[0].lastIndexOf(':');
        while (true) {
            try (Socket s = new Socket(args[0].substring(0, colon), Integer.parseInt(args[0].substring(colon + 1)))) {
                talk(s, args[1]);
            } catch (java.io.IOException e) {
                Thread.sleep(1000);
            }
        }
    }

    static void talk(Socket s, String user) throws Exception {
        OutputStream out = s.getOutputStream();
        out.write(("{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"" + user
            + "\",\"pass\":\"x\",\"agent\":\"lab/1.0\"}}\n").getBytes());
        Thread reader = new Thread(() -> {
            try {
                s.getInputStream().transferTo(OutputStream.nullOutputStream());
            } catch (java.io.IOException e) {
                // the writer notices too
            }
        });
        reader.setDaemon(true);
        reader.start();
        for (int n = 10;; n++) {
            Thread.sleep(1000);
            out.write(String.format("{\"id\":%d,\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{\"id\":\"lab\",\"job_id\":\"00000001\","
                + "\"nonce\":\"%08x\",\"result\":\"%s\"}}\n", n, n, "00".repeat(32)).getBytes());
        }
    }

    static void burn() {
        try {
            byte[] data = new byte[32];
            while (true) data = MessageDigest.getInstance("SHA-256").digest(data);
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new RuntimeException(e);
        }
    }
}
