package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

func newTrustShowCommand() *cobra.Command {
	var output, profile string
	var clock clockFlag
	cmd := &cobra.Command{
		Use:   "show FILE | --trust-profile NAME",
		Short: "Show whom a trust config believes, and when",
		Long: `Show whom a trust config believes, and when: names, windows, fingerprints and
days to expiry. Of a trust profile it shows what was fetched last, and fetches
nothing.

Exit status:
  0  shown
  2  wrong usage, or FILE is not a valid trust config
  3  FILE could not be read, or the profile has fetched nothing yet`,
		Example: "  bundler trust show trusted_root.json\n  bundler trust show trust.json -o json\n  bundler trust show --trust-profile prod",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args)+min(len(profile), 1) != 1 {
				return usagef("expected a FILE or --trust-profile")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := clock.now()
			if err != nil {
				return err
			}
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			c, from, err := loadShown(cmd, args, profile, func() time.Time { return now })
			if err != nil {
				return err
			}
			for _, w := range c.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "bundler: warning: %s: %s\n", c.Source, w)
			}
			view := viewTrust(c, now)
			view.TUF = from
			if output == "json" {
				return writeIndented(cmd.OutOrStdout(), view)
			}
			if from != nil {
				from.text(cmd.OutOrStdout(), now)
			}
			view.text(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().StringVar(&profile, "trust-profile", "", "the `name` of a trust profile")
	outputFlag(cmd, &output)
	clock.register(cmd)
	return cmd
}

// loadShown reads the file, or what a profile has at hand and how it came by it.
func loadShown(cmd *cobra.Command, args []string, profile string, clock func() time.Time) (*trustroot.Config, *tufView, error) {
	if profile == "" {
		c, err := loadTrustFile(args[0])
		return c, nil, err
	}
	p, source, err := openProfile(cmd, profile, &repositoryFlags{timeout: tuf.DefaultTimeout}, clock, nil)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := source.Cached()
	if err != nil {
		return nil, nil, noTrust(profile, err)
	}
	return snapshot.Config, viewTUF(profile, p, snapshot, clock()), nil
}

// trustView is the result of trust show. Version 1 of its JSON.
type trustView struct {
	SchemaVersion int             `json:"schemaVersion"`
	Source        string          `json:"source"`
	SHA256        string          `json:"sha256"` // of the file
	Logs          []logView       `json:"tlogs"`
	CTLogs        []logView       `json:"ctlogs"`
	CAs           []authorityView `json:"certificateAuthorities"`
	TSAs          []authorityView `json:"timestampAuthorities"`
	Keys          []keyView       `json:"keys"`
	Services      []serviceView   `json:"services"`
	Skipped       []string        `json:"skipped"`
	TUF           *tufView        `json:"tuf,omitempty"` // of a trust profile
}

// windowView is a closed interval, and where now lies in it.
type windowView struct {
	Start    *time.Time `json:"start,omitempty"`
	End      *time.Time `json:"end,omitempty"`
	Status   string     `json:"status"`             // "valid", "ended" or "future"
	DaysLeft *int       `json:"daysLeft,omitempty"` // whole days until the end, if valid and it ends
}

type logView struct {
	BaseURL     string     `json:"baseUrl"`
	Origin      string     `json:"origin"`
	Operator    string     `json:"operator,omitempty"`
	KeyDetails  string     `json:"keyDetails"`
	Fingerprint string     `json:"keySha256"`
	LogID       string     `json:"logId"`
	Window      windowView `json:"validFor"`
}

type authorityView struct {
	URI      string            `json:"uri,omitempty"`
	Operator string            `json:"operator,omitempty"`
	Window   windowView        `json:"validFor"` // with the dates of the whole chain
	Chain    []certificateView `json:"chain"`
}

type certificateView struct {
	Subject     string    `json:"subject"`
	CA          bool      `json:"ca"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	Fingerprint string    `json:"sha256"`
}

type keyView struct {
	Hint       string     `json:"hint,omitempty"`
	KeyDetails string     `json:"keyDetails"`
	Hints      []string   `json:"hints"` // every hint that a bundle may name it by
	Window     windowView `json:"validFor"`
}

type serviceView struct {
	Kind            string     `json:"kind"`
	URL             string     `json:"url"`
	MajorAPIVersion uint32     `json:"majorApiVersion"`
	Operator        string     `json:"operator"`
	Window          windowView `json:"validFor"`
}

func viewTrust(c *trustroot.Config, now time.Time) trustView {
	v := trustView{
		SchemaVersion: 1,
		Source:        c.Source,
		SHA256:        hex.EncodeToString(c.SHA256[:]),
		Logs:          []logView{}, CTLogs: []logView{},
		CAs: []authorityView{}, TSAs: []authorityView{},
		Keys: []keyView{}, Services: []serviceView{},
		Skipped: append([]string{}, c.Warnings...),
	}
	if r := c.Root; r != nil {
		for _, l := range r.Logs {
			v.Logs = append(v.Logs, viewLog(l, now))
		}
		for _, l := range r.CTLogs {
			v.CTLogs = append(v.CTLogs, viewLog(l, now))
		}
		for _, a := range r.CAs {
			v.CAs = append(v.CAs, viewAuthority(a, now))
		}
		for _, a := range r.TSAs {
			v.TSAs = append(v.TSAs, viewAuthority(a, now))
		}
	}
	if c.Keyring != nil {
		for _, k := range c.Keyring.Keys {
			v.Keys = append(v.Keys, keyView{k.Hint, k.KeyDetails.String(), k.Hints(), viewWindow(k.ValidFor, now)})
		}
	}
	if s := c.Signing; s != nil {
		v.services("fulcio", s.CAs, now)
		v.services("oidc", s.OIDC, now)
		v.services("rekor", s.Rekor, now)
		v.services("tsa", s.TSAs, now)
	}
	return v
}

func (v *trustView) services(kind string, list []trustroot.Service, now time.Time) {
	for _, s := range list {
		v.Services = append(v.Services, serviceView{kind, s.URL, s.MajorAPIVersion, s.Operator, viewWindow(s.ValidFor, now)})
	}
}

func viewLog(l *trustroot.Log, now time.Time) logView {
	return logView{
		BaseURL: l.BaseURL, Origin: l.Origin, Operator: l.Operator,
		KeyDetails: l.KeyDetails.String(), Fingerprint: fingerprint(l.SPKI),
		LogID: hex.EncodeToString(l.ID), Window: viewWindow(l.ValidFor, now),
	}
}

func viewAuthority(a *trustroot.Authority, now time.Time) authorityView {
	v := authorityView{URI: a.URI, Operator: a.Operator, Window: viewWindow(a.Window, now)}
	for _, cert := range a.Chain {
		v.Chain = append(v.Chain, certificateView{cert.Subject.String(), cert.IsCA, cert.NotBefore, cert.NotAfter, fingerprint(cert.Raw)})
	}
	return v
}

func viewWindow(w trustroot.Validity, now time.Time) windowView {
	v := windowView{Status: "valid"}
	if !w.Start.IsZero() {
		v.Start = &w.Start
	}
	if !w.End.IsZero() {
		v.End = &w.End
	}
	switch {
	case v.End != nil && now.After(w.End):
		v.Status = "ended"
	case now.Before(w.Start):
		v.Status = "future"
	case v.End != nil:
		left := trustroot.Days(now, w.End)
		v.DaysLeft = &left
	}
	return v
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// text renders v for people. Outside text is quoted where it would not show.
func (v trustView) text(w io.Writer) {
	fmt.Fprintf(w, "Trust config %s\n  SHA-256 %s\n", shown(v.Source), v.SHA256)
	textLogs(w, "Rekor logs", v.Logs)
	textAuthorities(w, "Certificate authorities", v.CAs)
	textLogs(w, "CT logs", v.CTLogs)
	textAuthorities(w, "Timestamp authorities", v.TSAs)
	heading(w, "Keys", len(v.Keys))
	for _, k := range v.Keys {
		fmt.Fprintf(w, "  %s\n    valid    %s\n    key      %s\n", shown(k.Hints[0]), k.Window, k.KeyDetails)
		for _, hint := range k.Hints {
			fmt.Fprintf(w, "    hint     %s\n", shown(hint))
		}
	}
	heading(w, "Signing services", len(v.Services))
	for _, s := range v.Services {
		fmt.Fprintf(w, "  %s %s\n    valid    %s\n    API      version %d, operator %s\n", s.Kind, shown(s.URL), s.Window, s.MajorAPIVersion, shown(s.Operator))
	}
}

func heading(w io.Writer, title string, n int) {
	if n > 0 {
		fmt.Fprintf(w, "\n%s\n", title)
	}
}

func textLogs(w io.Writer, title string, logs []logView) {
	heading(w, title, len(logs))
	for _, l := range logs {
		fmt.Fprintf(w, "  %s\n    valid    %s\n    key      %s, SHA-256 %s\n    log id   %s\n", shown(l.BaseURL), l.Window, l.KeyDetails, l.Fingerprint, l.LogID)
		textOperator(w, l.Operator)
	}
}

func textAuthorities(w io.Writer, title string, list []authorityView) {
	heading(w, title, len(list))
	for _, a := range list {
		fmt.Fprintf(w, "  %s\n    valid    %s\n", shown(a.Chain[0].Subject), a.Window)
		if a.URI != "" {
			fmt.Fprintf(w, "    uri      %s\n", shown(a.URI))
		}
		textOperator(w, a.Operator)
		for i, c := range a.Chain {
			fmt.Fprintf(w, "    %-8s %s, until %s, SHA-256 %s\n", c.role(i == len(a.Chain)-1), shown(c.Subject), c.NotAfter.UTC().Format(time.DateOnly), c.Fingerprint)
		}
	}
}

// role names the place of a certificate in its chain.
func (c certificateView) role(last bool) string {
	switch {
	case last:
		return "anchor"
	case c.CA:
		return "issuer"
	}
	return "signer" // of timestamps
}

func textOperator(w io.Writer, operator string) {
	if operator != "" {
		fmt.Fprintf(w, "    operator %s\n", shown(operator))
	}
}

func (v windowView) String() string {
	start, end := "always", "open end"
	if v.Start != nil {
		start = v.Start.UTC().Format(time.RFC3339)
	}
	if v.End != nil {
		end = v.End.UTC().Format(time.RFC3339)
	}
	if v.Start == nil && v.End == nil {
		return "always"
	}
	text := start + " to " + end
	switch {
	case v.Status == "ended":
		return text + " (ended)"
	case v.Status == "future":
		return text + " (not yet)"
	case v.DaysLeft != nil:
		return fmt.Sprintf("%s (%d days left)", text, *v.DaysLeft)
	}
	return text
}

// shown returns s as a terminal can safely show it, and something of nothing.
func shown(s string) string {
	if s == "" {
		return `""`
	}
	return clean(s)
}

func writeIndented(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(cleanJSON(text.Bytes()))
	return err
}
