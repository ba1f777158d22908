import com.sun.net.httpserver.HttpServer;
import java.io.FileWriter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;

/**
 * Stands in for a Java server through which somebody came in: it logs each request, and starts COMMAND when one holds TRIGGER.
 * What is started is named by whoever started this program, never by a request.
 */
class Server {
    static final DateTimeFormatter COMMON = DateTimeFormatter.ofPattern("dd/MMM/yyyy:HH:mm:ss Z", java.util.Locale.ENGLISH);

    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(args[0]);
        String log = args[1], trigger = args[2], command = args[3];
        FileWriter out = new FileWriter(log, true);
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 16);
        server.createContext("/", request -> {
            String from = request.getRemoteAddress().getAddress().getHostAddress();
            String agent = request.getRequestHeaders().getFirst("User-Agent");
            String line = String.format("%s - - [%s] \"%s %s HTTP/1.1\" 200 2 \"-\" \"%s\"%n", from, ZonedDateTime.now().format(COMMON),
                    request.getRequestMethod(), request.getRequestURI(), agent);
            out.write(line);
            out.flush();
            if (line.contains(trigger)) {
                new ProcessBuilder("/bin/sh", "-c", command).start();
            }
            request.sendResponseHeaders(200, 2);
            request.getResponseBody().write("ok".getBytes());
            request.close();
        });
        server.start();
    }
}
