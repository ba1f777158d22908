// demine lab: an honest program whose garbage collector never rests, as a shop's does before it runs out of memory.
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class Storm {
    public static void main(String[] args) {
        Map<Integer, List<String>> carts = new HashMap<>();
        for (int i = 0;; i++) {
            List<String> cart = new ArrayList<>();
            for (int n = 0; n < 50; n++) cart.add("item " + i + " " + n);
            carts.put(i % 4000, cart);
        }
    }
}
