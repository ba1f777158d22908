package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"path"
	"time"
)

// Types of records (FastCGI specification 1.0, section 8).
const (
	beginRequest = 1
	params       = 4
	stdin        = 5
)

// fastcgi asks a FastCGI server for a script that lies on its host, and waits for its answer.
func fastcgi(args []string) error {
	flags := flag.NewFlagSet("fastcgi", flag.ContinueOnError)
	from := flags.String("from", "", "local address")
	to := flags.String("to", "", "address of the server")
	script := flags.String("script", "", "file on the server's host")
	if err := flags.Parse(args); err != nil {
		return err
	}
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(*from)}}
	c, err := d.Dial("tcp", *to)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(asked(*script)); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err == nil && !bytes.Contains(answer, []byte("Content-type:")) {
		err = fmt.Errorf("answer: %q", answer)
	}
	return err
}

// asked is a whole request: the role of a responder, the parameters that PHP needs, and nothing on standard input.
func asked(script string) []byte {
	var p bytes.Buffer
	for _, kv := range [][2]string{{"REQUEST_METHOD", "GET"}, {"SCRIPT_FILENAME", script}, {"SCRIPT_NAME", "/" + path.Base(script)}} {
		p.WriteByte(byte(len(kv[0])))
		p.WriteByte(byte(len(kv[1])))
		p.WriteString(kv[0] + kv[1])
	}
	var b bytes.Buffer
	record(&b, beginRequest, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	record(&b, params, p.Bytes())
	record(&b, params, nil)
	record(&b, stdin, nil)
	return b.Bytes()
}

func record(b *bytes.Buffer, kind byte, content []byte) {
	b.Write([]byte{1, kind, 0, 1})
	_ = binary.Write(b, binary.BigEndian, uint16(len(content)))
	b.Write([]byte{0, 0})
	b.Write(content)
}
