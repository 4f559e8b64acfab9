package schema

// Covers reports whether v certainly accepts every value that w accepts. It may
// say no where the answer is yes; then the documents have to be looked at.
func (v *Validator) Covers(w *Validator) bool {
	if v.kind == kindAny {
		return true
	}
	if w.kind == kindUnion {
		for _, m := range w.members {
			if !v.Covers(m) {
				return false
			}
		}
		return true
	}
	if v.kind == kindUnion {
		for _, m := range v.members {
			if m.Covers(w) {
				return true
			}
		}
		return false
	}
	switch v.kind {
	case kindInt64, kindCommitTs: // a document that is stored has an integer in either
		return w.kind == kindInt64 || w.kind == kindCommitTs || w.kind == kindLiteral && v.check(w.literal, nil, false) == nil
	case kindNull, kindFloat64, kindBoolean, kindBytes:
		return w.kind == v.kind || w.kind == kindLiteral && v.check(w.literal, nil, false) == nil
	case kindString:
		return w.kind == kindString || w.kind == kindID || w.kind == kindLiteral && v.check(w.literal, nil, false) == nil
	case kindLiteral:
		return w.kind == kindLiteral && v.literalMatches(w.literal)
	case kindID:
		return w.kind == kindID && v.table == w.table
	case kindArray:
		return w.kind == kindArray && v.elem.Covers(w.elem)
	case kindRecord:
		return w.kind == kindRecord && v.keys.Covers(w.keys) && v.elem.Covers(w.elem)
	case kindObject:
		return w.kind == kindObject && v.coversFields(w)
	}
	return false
}

// coversFields is Covers for two objects: each field of w has a wider one in v,
// and each field only v has is optional.
func (v *Validator) coversFields(w *Validator) bool {
	i := 0
	for _, f := range v.fields {
		if i < len(w.fields) && w.fields[i].name < f.name {
			return false // a field of w that v does not know
		}
		if i == len(w.fields) || w.fields[i].name != f.name {
			if !f.optional {
				return false
			}
			continue
		}
		g := w.fields[i]
		if g.optional && !f.optional || !f.v.Covers(g.v) {
			return false
		}
		i++
	}
	return i == len(w.fields)
}
