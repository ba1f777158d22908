package observe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"demine/services"
)

// overTLS are the samples whose servers speak it.
var overTLS = map[string]bool{
	"opensearch/asks for a user over TLS":              true,
	"elasticsearch/over TLS and open to the anonymous": true, "registry/open over TLS": true, "mongodb/tells its databases over TLS": true,
	"etcd/without users over TLS": true, "docker/encrypted and open": true,
	"kubelet/tells strangers its pods": true, "kubelet/refuses strangers": true,
}

// serverTLS has a certificate that nobody signed, of another name and out of date.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"elsewhere"}, NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// A server that will have a certificate has said what it asks for, in each
// version of TLS; one that only would like to have one has not.
func TestCertificateWanted(t *testing.T) {
	k := services.Of("etcd", nil)
	open := "HTTP/1.1 200 OK\r\n\r\n\netcd_debugging_auth_revision 1\n"
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for kind, want := range map[tls.ClientAuthType]string{
			tls.NoClientCert: "none asked", tls.RequestClientCert: "none asked", tls.RequireAnyClientCert: "key asked",
		} {
			s := services.Sample{Exe: "etcd", Argv: []string{"etcd", "--listen-client-urls", "https://0.0.0.0:2379"}, Answer: &open}
			h, base, kernel := serviceHost(t, k, s)
			kernel.secured = serverTLS(t)
			kernel.secured.ClientAuth, kernel.secured.MinVersion, kernel.secured.MaxVersion = kind, version, version
			snap, _ := lookAtHost(t, h, base, service)
			if got := fmt.Sprint(snap.Service[0].Auth, " ", snap.Service[0].AuthBy); got != want {
				t.Errorf("%s, %v: %q, want %q", tls.VersionName(version), kind, got, want)
			}
		}
	}
}

// What speaks no TLS though its settings say so, and breaks off, has told nothing.
func TestNoTLS(t *testing.T) {
	plain := "HTTP/1.1 200 OK\r\n\r\n\netcd_debugging_auth_revision 1\n"
	s := services.Sample{Exe: "etcd", Argv: []string{"etcd", "--listen-client-urls", "https://0.0.0.0:2379"}, Answer: &plain}
	h, base, _ := serviceHost(t, services.Of("etcd", nil), s)
	snap, c := lookAtHost(t, h, base, service)
	if x := snap.Service[0]; x.Auth != "unknown" || len(x.Gaps) == 0 || len(c.Gaps) == 0 {
		t.Errorf("%+v %+v", x, c)
	}
}
