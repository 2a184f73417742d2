package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// The JSON of a Report, schema version 1. What was proved (signer, times,
// evidence, statement) is there only if the verdict is "pass": a reader that
// forgets to look at the verdict finds nothing to believe.
type (
	reportDoc struct {
		SchemaVersion int           `json:"schemaVersion"`
		Verdict       Verdict       `json:"verdict"`
		Artifact      *artifactDoc  `json:"artifact"`
		Artifacts     []artifactDoc `json:"artifacts,omitzero"` // all, where there are several
		Bundle        *bundleDoc    `json:"bundle"`
		Checks        []Check       `json:"checks"`
		Signer        *signerDoc    `json:"signer"`
		Signature     *signatureDoc `json:"signature"`
		Times         []timeDoc     `json:"times"`
		Evidence      *evidenceDoc  `json:"evidence"`
		Statement     *statementDoc `json:"statement"`
		Policy        *policyDoc    `json:"policy"`
		Insecure      []string      `json:"insecure"`
		Trust         trustDoc      `json:"trust"`
		Evaluated     time.Time     `json:"evaluated"`
	}
	artifactDoc struct {
		Name    string            `json:"name"`
		Digests map[string]string `json:"digests"`
		Size    *int64            `json:"size"`
	}
	bundleDoc struct {
		MediaType string `json:"mediaType"`
		Version   string `json:"version"`
		Content   string `json:"content"`
		SHA256    string `json:"sha256"`
	}
	signatureDoc struct {
		Algorithm string `json:"algorithm"`
		Hash      string `json:"hash,omitzero"`
	}
	signerDoc struct {
		Kind        string          `json:"kind"`
		PublicKey   *publicKeyDoc   `json:"publicKey"`
		Certificate *certificateDoc `json:"certificate"`
		Chain       []chainDoc      `json:"chain"`
		Anchor      *anchorDoc      `json:"anchor"`
	}
	publicKeyDoc struct {
		Hint       string      `json:"hint"`
		SPKISHA256 string      `json:"spkiSha256"`
		Type       string      `json:"type"`
		ValidFor   validityDoc `json:"validFor"`
	}
	validityDoc struct {
		Start *time.Time `json:"start"`
		End   *time.Time `json:"end"`
	}
	certificateDoc struct {
		Subject     string            `json:"subject"`
		Issuer      string            `json:"issuer"`
		Serial      string            `json:"serial"`
		NotBefore   time.Time         `json:"notBefore"`
		NotAfter    time.Time         `json:"notAfter"`
		SHA256      string            `json:"sha256"`
		SAN         sanDoc            `json:"san"`
		ExtKeyUsage []string          `json:"extKeyUsage"`
		Fulcio      map[string]string `json:"fulcio"`
	}
	sanDoc struct {
		DNS          []string   `json:"dns"`
		Email        []string   `json:"email"`
		URI          []string   `json:"uri"`
		IP           []string   `json:"ip"`
		DirName      []string   `json:"dirName"`
		RegisteredID []string   `json:"registeredID"`
		OtherName    []otherDoc `json:"otherName"`
	}
	otherDoc struct {
		Type  string `json:"type"`
		Value string `json:"value"`
		DER   []byte `json:"der"`
	}
	chainDoc struct {
		Subject  string `json:"subject"`
		SHA256   string `json:"sha256"`
		IsAnchor bool   `json:"isAnchor"`
	}
	anchorDoc struct {
		URI      string      `json:"uri"`
		Operator string      `json:"operator"`
		ValidFor validityDoc `json:"validFor"`
	}
	timeDoc struct {
		Type     string    `json:"type"`
		Time     time.Time `json:"time"`
		URI      string    `json:"uri"`
		Operator string    `json:"operator"`
	}
	evidenceDoc struct {
		Thresholds Thresholds `json:"thresholds"`
		Logs       []entryDoc `json:"tlog"`
		SCTs       []sctDoc   `json:"sct"`
	}
	entryDoc struct {
		Log            string     `json:"log"`
		Operator       string     `json:"operator"`
		LogID          string     `json:"logId"`
		Kind           string     `json:"kind"`
		Version        string     `json:"version"`
		LogIndex       *int64     `json:"logIndex"`  // null unless a promise signs it
		TreeIndex      *int64     `json:"treeIndex"` // null without an inclusion proof
		IntegratedTime *time.Time `json:"integratedTime"`
		Witnesses      []string   `json:"unverifiedWitnesses"`
	}
	sctDoc struct {
		Log      string    `json:"log"`
		Operator string    `json:"operator"`
		LogID    string    `json:"logId"`
		Time     time.Time `json:"time"`
	}
	statementDoc struct {
		Type          string       `json:"_type"`
		PredicateType string       `json:"predicateType"`
		Subject       []subjectDoc `json:"subject"`
	}
	subjectDoc struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	policyDoc struct {
		Accepted bool        `json:"accepted"`
		Policies []Judgement `json:"policies"`
	}
	trustDoc struct {
		Source string `json:"source"`
		SHA256 string `json:"sha256"`
	}
)

// MarshalJSON returns the report as one JSON object. Text that is not UTF-8,
// such as a file's name, is shown with replacement characters.
func (r *Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(r.doc(), json.Deterministic(true), json.FormatNilSliceAsNull(false), jsontext.AllowInvalidUTF8(true))
}

func (r *Report) doc() *reportDoc {
	d := &reportDoc{
		SchemaVersion: SchemaVersion,
		Verdict:       r.Verdict,
		Checks:        r.Checks,
		Insecure:      r.Insecure,
		Evaluated:     r.Evaluated,
	}
	if r.Trust != nil {
		d.Trust = trustDoc{Source: r.Trust.Source, SHA256: hex.EncodeToString(r.Trust.SHA256[:])}
	}
	for _, a := range r.Artifacts {
		if a != nil {
			d.Artifacts = append(d.Artifacts, a.doc())
		}
	}
	if len(d.Artifacts) > 0 {
		d.Artifact = &d.Artifacts[0]
	}
	if len(d.Artifacts) == 1 {
		d.Artifacts = nil
	}
	if r.Bundle != nil {
		d.Bundle = describeBundle(r.Bundle)
	}
	if len(r.Policies) > 0 {
		d.Policy = &policyDoc{Accepted: r.Verdict == Passed, Policies: r.Policies}
	}
	if r.Verdict == Passed {
		r.proved(d)
	}
	return d
}

func (r *Report) proved(d *reportDoc) {
	d.Signer = r.Signer.doc()
	d.Signature = &signatureDoc{Algorithm: r.Algorithm.String()}
	if alg, ok := bundle.AlgorithmFor(r.Algorithm.Hash()); ok {
		d.Signature.Hash = alg.String()
	}
	for _, t := range r.Times {
		d.Times = append(d.Times, timeDoc{t.Type, t.Time.UTC(), t.URI, t.Operator})
	}
	d.Evidence = &evidenceDoc{Thresholds: r.Thresholds}
	for i := range r.Entries {
		d.Evidence.Logs = append(d.Evidence.Logs, r.Entries[i].doc())
	}
	for _, s := range r.SCTs {
		d.Evidence.SCTs = append(d.Evidence.SCTs, sctDoc{s.LogURL, s.Operator, hex.EncodeToString(s.LogID), s.Time})
	}
	if s := r.Statement; s != nil {
		d.Statement = &statementDoc{Type: s.Type, PredicateType: s.PredicateType}
		for _, sub := range s.Subjects {
			d.Statement.Subject = append(d.Statement.Subject, subjectDoc{sub.Name, digestMap(sub.Digests)})
		}
	}
}

func digestMap(ds []bundle.Digest) map[string]string {
	m := make(map[string]string, len(ds))
	for _, d := range ds {
		m[d.Algorithm().String()] = d.Hex()
	}
	return m
}

func (a *Artifact) doc() artifactDoc {
	d := artifactDoc{Name: a.Name, Digests: digestMap(a.Digests)}
	if n, ok := a.Size(); ok {
		d.Size = &n
	}
	return d
}

func describeBundle(b *bundle.Bundle) *bundleDoc {
	d := &bundleDoc{MediaType: b.MediaType, Version: b.Version.String(), Content: "messageSignature"}
	if b.Envelope != nil {
		d.Content = "dsse"
	}
	if !b.SHA256.IsZero() {
		d.SHA256 = b.SHA256.Hex()
	}
	return d
}

func (e *Entry) doc() entryDoc {
	d := entryDoc{Log: e.LogURL, Operator: e.Operator, LogID: hex.EncodeToString(e.LogID), Kind: e.Kind, Version: e.Version, Witnesses: e.Witnesses}
	if e.LogIndex >= 0 {
		d.LogIndex = &e.LogIndex
	}
	if e.TreeIndex >= 0 {
		d.TreeIndex = &e.TreeIndex
	}
	if !e.IntegratedTime.IsZero() {
		d.IntegratedTime = &e.IntegratedTime
	}
	return d
}

func (s *Signer) doc() *signerDoc {
	if s.Key != nil {
		sum := sha256.Sum256(s.Key.SPKI)
		return &signerDoc{Kind: "publicKey", PublicKey: &publicKeyDoc{
			Hint:       s.Key.Hints()[0],
			SPKISHA256: hex.EncodeToString(sum[:]),
			Type:       keyspec.Describe(s.Key.Public),
			ValidFor:   describeValidity(s.Key.ValidFor),
		}}
	}
	d := &signerDoc{Kind: "certificate", Certificate: s.certificate()}
	for i, c := range s.Chain {
		d.Chain = append(d.Chain, chainDoc{c.Subject.String(), fingerprint(c.Raw), i == len(s.Chain)-1})
	}
	if s.Anchor != nil {
		d.Anchor = &anchorDoc{s.Anchor.URI, s.Anchor.Operator, describeValidity(s.Anchor.ValidFor)}
	}
	return d
}

func (s *Signer) certificate() *certificateDoc {
	c := s.Certificate
	d := &certificateDoc{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), SHA256: fingerprint(c.Raw),
		SAN: s.Names.doc(),
	}
	for _, oid := range extKeyUsages(c) {
		d.ExtKeyUsage = append(d.ExtKeyUsage, oid.String())
	}
	if s.Fulcio != nil {
		d.Fulcio = map[string]string{"issuer": s.Fulcio.Issuer}
		for _, f := range s.Fulcio.Fields {
			d.Fulcio[f.Name] = f.Value
		}
	}
	return d
}

func (s *SubjectAltNames) doc() sanDoc {
	d := sanDoc{DNS: s.DNS, Email: s.Emails, URI: s.URIs}
	for _, ip := range s.IPs {
		d.IP = append(d.IP, ip.String())
	}
	for _, n := range s.DirNames {
		d.DirName = append(d.DirName, n.String())
	}
	for _, oid := range s.RegisteredIDs {
		d.RegisteredID = append(d.RegisteredID, oid.String())
	}
	for _, n := range s.OtherNames {
		d.OtherName = append(d.OtherName, otherDoc{n.Type.String(), n.Value, n.DER})
	}
	return d
}

func describeValidity(v trustroot.Validity) validityDoc {
	var d validityDoc
	if !v.Start.IsZero() {
		d.Start = &v.Start
	}
	if !v.End.IsZero() {
		d.End = &v.End
	}
	return d
}

// Summary returns the name that people know the signer by: the first name of
// the certificate, its subject, or the key's hint. Use it to show, never to
// decide.
func (s *Signer) Summary() string {
	switch {
	case s.Key != nil:
		return "key " + s.Key.Hints()[0]
	case s.Certificate == nil:
		return "nobody"
	}
	if names := s.Names.Texts(); len(names) > 0 {
		return names[0]
	}
	return s.Certificate.Subject.String()
}
