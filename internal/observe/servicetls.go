package observe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
)

// secured is a conversation over TLS with a server of this host.
type secured struct {
	*tls.Conn
	certificate bool // it asked for one of a client
}

// secure shakes hands. Whose certificate it is does not matter: nothing secret
// is said, and what is asked is whether strangers are let in, who need not look
// at it either.
func secure(ctx context.Context, conn net.Conn) (*secured, error) {
	s := &secured{}
	s.Conn = tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS10,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.certificate = true
			return &tls.Certificate{}, nil // none
		},
	})
	return s, s.HandshakeContext(ctx)
}

// refusals are what a server says who will have a certificate: 42, 116 and 40 of
// RFC 8446 section 6; the last is what OpenSSL says up to TLS 1.2.
var refusals = []string{"tls: bad certificate", "tls: certificate required", "tls: handshake failure"}

// wants reports whether a conversation ended because there was no certificate:
// with TLS 1.3 that is said when the handshake is over.
func (s *secured) wants(err error) bool {
	var remote *net.OpError
	return s.certificate && errors.As(err, &remote) && remote.Op == "remote error" && slices.Contains(refusals, remote.Err.Error())
}
