package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"io"
)

// A sealed file begins with a line of magic and 16 bytes of key; what follows
// is AES-128 in counter mode from a counter of zero. It keeps no secret: it
// keeps scanners from mistaking a copy for the thing and deleting it. By hand:
//
//	key=$(tail -c +17 F | head -c 16 | od -An -tx1 | tr -d ' \n')
//	tail -c +33 F | openssl enc -d -aes-128-ctr -K $key -iv 00000000000000000000000000000000
const (
	magic   = "demine-sealed 1\n"
	keySize = 16
	sealing = len(magic) + keySize
)

// seal writes the head and gives the writer for the rest.
func seal(w io.Writer) (io.Writer, error) {
	head := append([]byte(magic), make([]byte, keySize)...)
	key := head[len(magic):]
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	return cipher.StreamWriter{S: stream(key), W: w}, nil
}

// unseal gives what was sealed.
func unseal(r io.Reader) (io.Reader, error) {
	head := make([]byte, sealing)
	_, err := io.ReadFull(r, head)
	short := err == io.EOF || err == io.ErrUnexpectedEOF
	if err != nil && !short {
		return nil, err
	}
	if short || !bytes.HasPrefix(head, []byte(magic)) {
		return nil, fmt.Errorf("%w: no head", ErrCorrupt)
	}
	return cipher.StreamReader{S: stream(head[len(magic):]), R: r}, nil
}

func stream(key []byte) cipher.Stream {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic("store: " + err.Error()) // the size of the key is ours
	}
	return cipher.NewCTR(b, make([]byte, aes.BlockSize))
}
