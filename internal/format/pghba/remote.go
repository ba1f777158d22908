package pghba

// From is whom a rule is about.
type From int

// Whom: this host; some others; everyone.
const (
	Here From = iota
	Some
	Anyone
)

// From says whom the addresses of a rule mean.
func (r Rule) From() From {
	switch {
	case r.Type == "local" || r.Address == "samehost":
		return Here
	case r.Address == "all":
		return Anyone
	case !r.Net.IsValid():
		return Some
	case r.Net.Bits() == 0:
		return Anyone
	case r.Net.Addr().Unmap().IsLoopback():
		return Here
	}
	return Some
}

// Asks says what a method wants to know of who connects over the network: none,
// password, key, nobody. Ident is none: it believes the other machine.
func (r Rule) Asks() string {
	switch r.Method {
	case "trust", "ident":
		return "none"
	case "reject":
		return "nobody"
	case "cert", "gss", "sspi", "oauth":
		return "key"
	}
	return "password"
}

// weakest orders what is asked for, the most open first.
var weakest = []string{"none", "password", "key"}

// Remote says how everyone can come in, at the weakest place, and by which
// rule: none, password, key; acl when only some addresses are let in at all.
// Trusting are the rules that let some other hosts in without a password. What
// the rules before one leave of it is only taken away where one of them covers
// it whole, so that nothing open is missed.
func Remote(rules []Rule) (asks string, by Rule, trusting []Rule) {
	asks = "acl"
	for i, r := range rules {
		if r.From() == Here || r.Asks() == "nobody" || shadowed(rules[:i], r) {
			continue
		}
		if r.From() == Some {
			if r.Asks() == "none" {
				trusting = append(trusting, r)
			}
			continue
		}
		if asks == "acl" || rank(r.Asks()) < rank(asks) {
			asks, by = r.Asks(), r
		}
	}
	return asks, by, trusting
}

func rank(asks string) int {
	for i, w := range weakest {
		if w == asks {
			return i
		}
	}
	return len(weakest)
}

func shadowed(before []Rule, r Rule) bool {
	for _, a := range before {
		if a.covers(r) {
			return true
		}
	}
	return false
}
