package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf16"
)

// toJSON writes v indented, with a newline. What [Safe] would escape is escaped
// in JSON's own way, so that the text is safe and means the same.
func toJSON(v any) (string, error) {
	raw, err := encode(v)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return "", err
	}
	return escapeQuoted(plainHTML(b.String()), jsonEscape) + "\n", nil
}

// plainHTML undoes the escapes of <, > and & in a document, which encoders of
// parts of it may have made, so that addresses stay legible.
func plainHTML(s string) string {
	if !strings.Contains(s, `\u00`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch end := min(i+6, len(s)); strings.ToLower(s[i:end]) {
		case `\u003c`:
			b.WriteByte('<')
			i += 5
		case `\u003e`:
			b.WriteByte('>')
			i += 5
		case `\u0026`:
			b.WriteByte('&')
			i += 5
		default: // an escaped backslash, for one, is two characters
			b.WriteString(s[i : i+2])
			i++
		}
	}
	return b.String()
}

func encode(v any) ([]byte, error) {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && r.IsNil() && r.Type().Elem().Kind() != reflect.Uint8 {
		return []byte("[]"), nil // a list without items is a list
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // for people and files, not for web pages
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// escapeQuoted escapes what is unsafe in a document whose layout is ASCII and
// whose other characters stand in quotes.
func escapeQuoted(s string, spell func(rune) string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	bad := func(r rune) bool { return unprintable(r) && r != '\n' }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			b.WriteString(spell(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func jsonEscape(r rune) string {
	if r > 0xffff {
		hi, lo := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, hi, lo)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
