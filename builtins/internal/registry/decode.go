package registry

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// tokenAnswer is what a token server gives.
type tokenAnswer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
}

// parseToken reads the answer of a token server.
func parseToken(b []byte, server string) (*tokenAnswer, error) {
	var t tokenAnswer
	if err := json.Unmarshal(b, &t); err != nil || t.value() == "" || strings.ContainsFunc(t.value(), notTokenRune) {
		return nil, &mismatch{reason: server + " answered without a token"}
	}
	return &t, nil
}

func notTokenRune(r rune) bool { return r <= ' ' || r > '~' }

func (t *tokenAnswer) value() string {
	if t.AccessToken != "" {
		return t.AccessToken
	}
	return t.Token
}

// life is how long the token is used: the time it was given for, at least the
// minute the protocol promises, less a margin for the way. The server's clock
// does not matter.
func (t *tokenAnswer) life() time.Duration {
	return time.Duration(min(max(t.ExpiresIn, 60), 24*3600))*time.Second - 10*time.Second
}

// errorBody reads the code and the message of a registry's or a token server's
// error. The message is one line of at most 300 bytes without our secrets.
func errorBody(b []byte, secrets []string) (code, message string) {
	var e struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Details     string `json:"details"`
		Detail      string `json:"detail"`        // Docker Hub, Quay
		ErrMessage  string `json:"error_message"` // Quay
		Message     string `json:"message"`
	}
	switch err := json.Unmarshal(b, &e); {
	case len(e.Errors) > 0:
		code, message = e.Errors[0].Code, e.Errors[0].Message
	case err == nil:
		for _, s := range []string{e.Description, e.Details, e.Message, e.ErrMessage, e.Detail, e.Error} {
			if message == "" {
				message = s
			}
		}
	case len(b) <= 300 && utf8.Valid(b) && !strings.HasPrefix(strings.TrimSpace(string(b)), "<"):
		message = string(b)
	}
	return oneLine(code, secrets, 60), oneLine(message, secrets, 300)
}

// oneLine makes s safe to stand in an error: no secrets, no line breaks, short.
func oneLine(s string, secrets []string, limit int) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || r == utf8.RuneError
	}), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// nextLink finds rel="next" in a Link header (RFC 8288).
func nextLink(header string) string {
	for s := header; ; {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			return ""
		}
		j := strings.IndexByte(s[i:], '>')
		if j < 0 {
			return ""
		}
		link := s[i+1 : i+j]
		s = s[i+j+1:]
		params := s
		if k := strings.IndexByte(s, '<'); k >= 0 {
			params = s[:k]
		}
		for p := range strings.SplitSeq(params, ";") {
			k, v, _ := strings.Cut(strings.Trim(p, " \t,"), "=")
			if strings.EqualFold(strings.TrimSpace(k), "rel") && strings.EqualFold(strings.Trim(strings.TrimSpace(v), `"`), "next") {
				return link
			}
		}
	}
}
