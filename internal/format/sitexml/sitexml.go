// Package sitexml reads Hadoop's configuration: core-site.xml, yarn-site.xml,
// hdfs-site.xml, which are lists of <property><name/><value/></property>
// (org.apache.hadoop.conf.Configuration).
package sitexml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"demine/internal/fact"
)

// maxSettings bounds what one file can yield.
const maxSettings = 5_000

// Parse reads a file up to its end or its first error. Values are valid UTF-8
// and may be secrets.
func Parse(b []byte) ([]fact.Setting, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	var out []fact.Setting
	for len(out) < maxSettings {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		start, ok := tok.(xml.StartElement)
		if !ok || start.Name.Local != "property" {
			continue
		}
		line, _ := d.InputPos()
		var p struct {
			Name  string `xml:"name"`
			Value string `xml:"value"`
		}
		if err := d.DecodeElement(&p, &start); err != nil {
			return out, err
		}
		if p.Name = strings.TrimSpace(p.Name); p.Name == "" {
			continue
		}
		out = append(out, fact.Setting{
			Name: fact.Text([]byte(p.Name)), Value: fact.Text([]byte(strings.TrimSpace(p.Value))), From: "file", Origin: fact.Origin{Line: line},
		})
	}
	return out, nil
}
