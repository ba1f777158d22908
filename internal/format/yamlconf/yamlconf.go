// Package yamlconf reads settings files in YAML and in JSON, which is a part of
// it: mongod.conf, elasticsearch.yml, the kubelet's config.yaml, daemon.json.
package yamlconf

import (
	"bytes"
	"errors"
	"strconv"

	"go.yaml.in/yaml/v3"

	"demine/internal/fact"
)

// Bounds of one file: settings that it can yield, and how deep they may lie.
const (
	maxSettings = 5_000
	maxDepth    = 20
)

// ErrSyntax: the file is no YAML, as far as the reader understands it.
var ErrSyntax = errors.New("not valid YAML")

// Parse reads the first document of a file. Names are joined by dots:
// "security.authorization"; the items of a list have their number, from 0:
// "hosts.0". An alias is not followed: a few lines of them can stand for
// billions of values. Values are valid UTF-8 and may be secrets.
func Parse(b []byte) (out []fact.Setting, err error) {
	defer func() { // the library tells some errors by panics
		if recover() != nil {
			err = ErrSyntax
		}
	}()
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); err != nil {
		if len(bytes.TrimSpace(b)) == 0 || doc.Kind == 0 && err.Error() == "EOF" {
			return nil, nil
		}
		return nil, ErrSyntax
	}
	w := walker{}
	w.walk("", &doc, 0)
	return w.out, nil
}

type walker struct{ out []fact.Setting }

func (w *walker) walk(name string, n *yaml.Node, depth int) {
	if depth > maxDepth || len(w.out) >= maxSettings {
		return
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			w.walk(name, c, depth+1)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			w.walk(join(name, n.Content[i].Value), n.Content[i+1], depth+1)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			w.walk(join(name, strconv.Itoa(i)), c, depth+1)
		}
	case yaml.ScalarNode:
		value := n.Value
		if n.Tag == "!!null" {
			value = ""
		}
		if name != "" {
			w.out = append(w.out, fact.Setting{
				Name: name, Value: fact.Text([]byte(value)), From: "file", Origin: fact.Origin{Line: max(1, n.Line)},
			})
		}
	}
}

func join(name, key string) string {
	key = fact.Text([]byte(key))
	if name == "" {
		return key
	}
	return name + "." + key
}
