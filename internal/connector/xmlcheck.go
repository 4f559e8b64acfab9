package connector

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Bounds of an XML document from elsewhere. Real responses have some 10 kB, 100
// elements and a depth of 10.
const (
	maxXML      = 512 << 10
	maxElements = 5000
	maxDepth    = 64
)

// checkXML looks at a document before anybody interprets it. It refuses what no
// honest identity provider writes and what the known attacks need: declarations
// of types and entities (bombs, files, requests), comments and instructions
// (cut-off values), names of two elements (wrapping), excessive size and depth.
// It counts elements by their local names, so that the caller can ask for exactly
// one assertion in the whole document, wherever it hides.
func checkXML(b []byte) (count map[string]int, err error) {
	if len(b) > maxXML {
		return nil, fmt.Errorf("the document is larger than %d bytes", maxXML)
	}
	count = map[string]int{}
	ids := map[string]bool{}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict, d.Entity = true, map[string]string{}
	depth, elements, roots := 0, 0, 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not well-formed: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth, elements = depth+1, elements+1
			if depth > maxDepth || elements > maxElements || roots > 1 {
				return nil, errors.New("too deep, too many elements, or more than one root")
			}
			count[t.Name.Local]++
			for _, a := range t.Attr {
				switch a.Name.Local {
				case "ID", "Id", "id":
					if ids[a.Value] {
						return nil, fmt.Errorf("two elements have the id %.60q", a.Value)
					}
					ids[a.Value] = true
				}
			}
		case xml.EndElement:
			depth--
		case xml.Comment:
			return nil, errors.New("comments are not accepted")
		case xml.Directive:
			return nil, errors.New("document types and entities are not accepted")
		case xml.ProcInst:
			if t.Target != "xml" || elements > 0 {
				return nil, errors.New("processing instructions are not accepted")
			}
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text outside of the root")
			}
		}
	}
	if roots != 1 {
		return nil, errors.New("there is no element")
	}
	return count, nil
}
