package contract

import (
	"encoding/json"
	"strings"
)

// Sample makes the smallest value of a shape: required members only, the first of
// alternatives. It serves as a body that an operation must understand, though the
// things it names do not exist.
func (c *Contract) Sample(s *Shape) json.RawMessage {
	b, err := json.Marshal(c.sample("", s))
	if err != nil {
		panic(err)
	}
	return b
}

// samples are texts that mean something, by the names of members.
var samples = map[string]string{
	"email": "ada@example.com", "new_email": "ada@example.com", "uri": "http://localhost:5173/callback",
	"origin": "http://localhost:5174", "endpoint_url": "http://localhost:5173/hook", "domain": "example.com",
	"slug": "a-slug", "ip_address": "203.0.113.7", "content": "{}", "password": "correct horse battery staple",
	"new_password": "correct horse battery staple", "return_url": "http://localhost:5173/", "phone_number": "+15555550123",
}

// sample is Sample as a value; name is the member it is for.
func (c *Contract) sample(name string, s *Shape) any {
	switch {
	case s.ref != "":
		return c.sample(name, c.Types[s.ref])
	case s.is != nil:
		return s.is
	case s.texts != nil:
		return s.texts[0]
	case s.any != nil:
		return c.sample(name, s.any[0])
	case s.all != nil:
		whole := map[string]any{}
		for _, part := range s.all {
			if m, ok := c.sample(name, part).(map[string]any); ok {
				for k, v := range m {
					whole[k] = v
				}
			}
		}
		return whole
	case s.object:
		m := map[string]any{}
		for _, member := range s.members {
			if !member.Optional {
				m[member.Name] = c.sample(member.Name, member.Shape)
			}
		}
		return m
	case s.list != nil:
		if s.bounds.Min == nil || *s.bounds.Min == 0 {
			return []any{}
		}
		return []any{c.sample(name, s.list)}
	case s.number != nil:
		if s.number.Min != nil {
			return *s.number.Min
		}
		return 1
	case s.values != nil, s.kind == "object":
		return map[string]any{}
	}
	switch s.kind {
	case "int", "num":
		return 30
	case "bool":
		return true
	case "ts":
		return "2026-01-15T12:00:00.000Z"
	case "null":
		return nil
	}
	if text, ok := samples[name]; ok {
		return text
	}
	return strings.ReplaceAll(name, "_", "-") + "-01HXNOTHINGNOTHINGNOTHIN"
}
