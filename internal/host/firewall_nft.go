package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/nftrules"

	"golang.org/x/sys/unix"
)

// readNFT reads the nftables of the calling thread's network namespace, those
// of iptables-nft among them, and the elements of sets if they are wanted. It
// asks nothing where nf_tables is a module that is not loaded, because the
// question would load it.
func readNFT(elements bool) ([]fact.Ruleset, []fact.Gap) {
	there, err := hasModule("nf_tables")
	if err != nil {
		return nil, []fact.Gap{sysGap("nftables", err)}
	}
	if !there {
		return nil, nil
	}
	var dump *nftrules.Dump
	for range 10 {
		dump, err = dumpNFT(elements)
		if !errors.Is(err, errChanged) {
			break
		}
	}
	var gaps []fact.Gap
	without := errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT)
	if err != nil && !without {
		gaps = append(gaps, sysGap("nftables", err))
	}
	if dump == nil {
		return nil, gaps
	}
	sets, other := dump.Rulesets(interfaceNames())
	for _, t := range other {
		gaps = append(gaps, fact.Gap{Code: "not-read", What: "nftables " + t})
	}
	return sets, gaps
}

// hasModule reports whether the kernel has a module already: loaded, built in,
// or no modules at all, where the question can load nothing.
func hasModule(module string) (bool, error) {
	mods, err := os.ReadFile("/proc/modules")
	if errors.Is(err, os.ErrNotExist) || err == nil && len(mods) == 0 {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for l := range strings.Lines(string(mods)) {
		if name, _, _ := strings.Cut(l, " "); name == module {
			return true, nil
		}
	}
	if _, err := os.Stat("/sys/module/" + module); err == nil {
		return true, nil
	}
	return builtIn("/" + module + ".ko")
}

// builtIn looks a module up in the running kernel's modules.builtin.
func builtIn(file string) (bool, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false, err
	}
	f, err := os.Open("/lib/modules/" + unix.ByteSliceToString(u.Release[:]) + "/modules.builtin")
	if errors.Is(err, os.ErrNotExist) { // a container, or a kernel without its files: it is not loaded, so do not ask
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if bytes.HasSuffix(s.Bytes(), []byte(file)) {
			return true, nil
		}
	}
	return false, nil
}

// interfaceNames gives names by index, of the calling thread's namespace.
func interfaceNames() func(uint32) string {
	names := map[uint32]string{}
	all, _ := net.Interfaces()
	for _, i := range all {
		names[uint32(i.Index)] = i.Name
	}
	return func(n uint32) string { return names[n] }
}

// dumpNFT asks for everything once, for elements if they are wanted. What was
// read before an error is kept, except when the tables changed meanwhile: of
// elements only the number of the ruleset tells that, and one that goes makes the
// kernel pass over another.
func dumpNFT(elements bool) (*nftrules.Dump, error) {
	s, err := newNetfilter()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if !elements {
		return s.everything(false)
	}
	before, err := s.generation()
	if err != nil {
		return nil, err
	}
	d, err := s.everything(true)
	if err != nil { // the rest of an answer may still wait to be read
		return d, err
	}
	if after, lost := s.generation(); lost == nil && after != before {
		err = errChanged
	}
	return d, err
}

func (s *netfilter) everything(elements bool) (*nftrules.Dump, error) {
	d := &nftrules.Dump{}
	for _, typ := range []byte{nftrules.GetTable, nftrules.GetChain, nftrules.GetRule, nftrules.GetSet} {
		if err := s.dump(typ, 0, nil, d); err != nil {
			return d, fmt.Errorf("nf_tables request %d: %w", typ, err)
		}
	}
	for _, set := range d.Sets() {
		if !elements || !set.Wanted() {
			continue
		}
		req := attr(1, set.RawTable+"\x00") + attr(2, set.RawName+"\x00")
		if err := s.dump(nftrules.GetSetElem, nftrules.FamilyNumber(set.Family), []byte(req), d); err != nil {
			return d, fmt.Errorf("elements of %s %s: %w", set.Table, set.Name, err)
		}
	}
	return d, nil
}
