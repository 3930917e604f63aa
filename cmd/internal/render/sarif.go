package render

import (
	"net/url"
	"path/filepath"
	"slices"

	"github.com/policyhost/policy/builtins"
)

// The parts of a SARIF log that a check fills in.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html describes them.
// The structures of a library are not used: those of go-sarif bring a JSON schema
// validator that costs a third of a millisecond whenever policy starts.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Short   sarifText    `json:"shortDescription"`
		Help    sarifText    `json:"help"`
		Default sarifDefault `json:"defaultConfiguration"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
		Fixes     []sarifFix      `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int        `json:"startLine"`
		StartColumn int        `json:"startColumn"`
		EndColumn   int        `json:"endColumn"` // behind the last character
		Snippet     *sarifText `json:"snippet,omitempty"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
)

// sarif writes a report for tools that show findings at their lines, such as code
// scanning at GitHub: rules with what they are about, results with their places,
// and what to type instead as fixes.
func (p *Printer) sarif(r *builtins.CheckReport) (string, error) {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "policy", InformationURI: "https://github.com/policyhost/policy", Rules: []sarifRule{}}
	rules := &run.Tool.Driver.Rules
	for _, f := range r.Findings {
		at := slices.IndexFunc(*rules, func(r sarifRule) bool { return r.ID == f.Code })
		if at < 0 {
			at = len(*rules)
			*rules = append(*rules, ruleOf(f))
		}
		place := sarifPlace{Artifact: sarifArtifact{p.fileURI(f.File)}, Region: regionOf(f)}
		result := sarifResult{
			RuleID: f.Code, RuleIndex: at, Level: f.Severity,
			Message:   sarifText{SafeLines(withHint(f))},
			Locations: []sarifLocation{{place}},
		}
		if f.Replace != "" && place.Region != nil {
			deleted := *place.Region
			deleted.Snippet = nil
			result.Fixes = []sarifFix{{
				Description: sarifText{"Replace it by " + SafeLines(f.Replace)},
				Changes:     []sarifChange{{place.Artifact, []sarifReplacement{{deleted, sarifText{f.Replace}}}}},
			}}
		}
		run.Results = append(run.Results, result)
	}
	return toJSON(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

// regionOf is where a finding is in its file, nil when nobody knows.
func regionOf(f builtins.Finding) *sarifRegion {
	if f.Line < 1 {
		return nil
	}
	col := max(f.Col, 1)
	r := &sarifRegion{StartLine: f.Line, StartColumn: col, EndColumn: col + max(f.Width, 1)}
	if runes := []rune(f.Source); r.EndColumn-1 <= len(runes) {
		r.Snippet = &sarifText{SafeLines(string(runes[col-1 : r.EndColumn-1]))}
	}
	return r
}

// fileURI names a file as links do: from the workspace of a job at GitHub on, else
// as it was typed.
func (p *Printer) fileURI(name string) string {
	if p.Actions != nil {
		if file := p.Actions.file(name); file != "" {
			name = file
		}
	}
	path := filepath.ToSlash(name)
	if filepath.IsAbs(name) {
		if path[0] != '/' { // C:/…
			path = "/" + path
		}
		return (&url.URL{Scheme: "file", Path: path}).String()
	}
	return (&url.URL{Path: path}).String()
}
