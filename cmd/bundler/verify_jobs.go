package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A job is one bundle file and the artifacts it must be about.
type job struct {
	path      string    // of the bundle, "-" for standard input
	stdin     io.Reader // where path is "-"
	artifacts []*verify.Artifact
	err       error // why the job can not be done
}

// A result is the verdict on one bundle.
type result struct {
	bundle string // path, with the line for JSON Lines
	name   string // of the artifacts
	report *verify.Report
	err    error // why there is no verdict

	input      *policy.Input // what policies see, if there are any
	judgements []verify.Judgement
}

// jobs pairs artifacts with bundles. Files are opened and read later, so that
// one that is missing does not keep the others from being judged.
func (f *verifyFlags) jobs(stdin io.Reader, args []string) ([]*job, error) {
	var jobs []*job
	if len(f.bundles) > 0 {
		if f.manifest != "" {
			return nil, usagef("expected --bundle or --manifest, found both")
		}
		for _, path := range f.bundles {
			j, err := oneBundle(path, stdin, args)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, j)
		}
		return jobs, nil
	}
	for _, arg := range args {
		if isDigest(arg) {
			return nil, withHint(usagef("%s: a digest has no bundle beside it", arg), "say which with --bundle")
		}
		found, err := besideJobs(arg)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, found...)
	}
	if f.manifest != "" {
		listed, err := manifestJobs(f.manifest)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, listed...)
	}
	return jobs, nil
}

// oneBundle is the job of one bundle that all arguments must be about.
func oneBundle(path string, stdin io.Reader, args []string) (*job, error) {
	if path == "" {
		return nil, usagef("--bundle is empty, expected a file")
	}
	j := &job{path: path, stdin: stdin}
	for _, arg := range args {
		a, err := artifactOf(arg)
		if err != nil {
			return nil, err
		}
		j.artifacts = append(j.artifacts, a)
	}
	return j, nil
}

// isDigest reports whether arg names a digest and no file.
func isDigest(arg string) bool {
	name, _, ok := strings.Cut(arg, ":")
	if _, known := bundle.AlgorithmOf(name); !ok || !known && !strings.HasPrefix(name, "sha") && name != "md5" {
		return false
	}
	_, err := os.Lstat(arg)
	return errors.Is(err, fs.ErrNotExist)
}

func artifactOf(arg string) (*verify.Artifact, error) {
	if !isDigest(arg) {
		return fileArtifact(arg), nil
	}
	d, err := bundle.ParseDigest(arg)
	if err != nil {
		return nil, usagef("%q: %w", arg, err)
	}
	return &verify.Artifact{Name: arg, Digests: []bundle.Digest{d}}, nil
}

func fileArtifact(path string) *verify.Artifact {
	return &verify.Artifact{Name: path, Open: func() (io.ReadCloser, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		if info, err := file.Stat(); err != nil || info.IsDir() {
			file.Close()
			return nil, fmt.Errorf("%s is a directory, expected a file", path)
		}
		return file, nil
	}}
}

// run verifies the job's bundles.
func (j *job) run(ctx context.Context, v *verify.Verifier, predicateType string) []result {
	if j.err != nil {
		return []result{{bundle: j.path, name: j.name(), err: j.err}}
	}
	text, unread, refused := readBundle(j.path, j.stdin)
	if unread != nil {
		return []result{{bundle: j.path, name: j.name(), err: unread}}
	}
	for _, a := range j.artifacts {
		a.Open = interruptible(ctx, a.Open)
	}
	switch {
	case refused != nil:
		rep, err := v.Reject(refused, j.artifacts...)
		return []result{j.result(j.path, rep, err)}
	case filepath.Ext(j.path) == ".jsonl":
		return j.runLines(v, text, predicateType)
	}
	rep, err := v.VerifyJSON(text, j.artifacts...)
	return []result{j.result(j.path, rep, err)}
}

// readBundle reads a bundle's file, or standard input for "-". unread is why
// it could not be read, which leaves no verdict; refused is why what was read
// is no bundle.
func readBundle(path string, stdin io.Reader) (text []byte, unread, refused error) {
	r := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err, nil
		}
		defer file.Close()
		r = file
	}
	text, err := bundle.ReadText(r)
	if errors.Is(err, bundle.ErrRead) {
		return nil, err, nil
	}
	return text, nil, err
}

// runLines verifies every bundle of a JSON Lines file, or every one with the
// predicate type asked for: what the others attest was not asked.
func (j *job) runLines(v *verify.Verifier, text []byte, predicateType string) []result {
	bundles, err := bundle.ParseLines(text)
	if err != nil {
		// VerifyJSON makes a report of the same error.
		rep, verr := v.Reject(err, j.artifacts...)
		return []result{j.result(j.path, rep, verr)}
	}
	var results []result
	for i, b := range bundles {
		if predicateType != "" && len(bundles) > 1 && !claims(b, predicateType) {
			continue
		}
		rep, err := v.Verify(b, j.artifacts...)
		results = append(results, j.result(fmt.Sprintf("%s, bundle %d", j.path, i+1), rep, err))
	}
	if len(results) == 0 {
		rep, err := v.Reject(fmt.Errorf("none of the %d bundles has predicate type %q", len(bundles), predicateType), j.artifacts...)
		results = append(results, j.result(j.path, rep, err))
	}
	return results
}

// claims reports whether the bundle says that it has that predicate type. It
// only selects: what is selected is verified.
func claims(b *bundle.Bundle, predicateType string) bool {
	if b.Envelope == nil {
		return false
	}
	s, err := bundle.ParseStatement(b.Envelope.Payload)
	return err != nil || s.PredicateType == predicateType
}

func (j *job) result(path string, rep *verify.Report, err error) result {
	return result{bundle: path, name: j.name(), report: rep, err: notJudged(err)}
}

// notJudged returns err unless it is a "no", which the report has.
func notJudged(err error) error {
	if _, judged := errors.AsType[*verify.Error](err); judged {
		return nil
	}
	return err
}

func (j *job) name() string {
	var names []string
	for _, a := range j.artifacts {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// interruptible makes reading a large artifact end when the user says so.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	if open == nil {
		return nil
	}
	return func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return &ctxReader{ctx, r}, nil
	}
}

type ctxReader struct {
	ctx context.Context
	io.ReadCloser
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, errors.New("interrupted")
	}
	return r.ReadCloser.Read(p)
}

// verdictOf returns the error that carries the exit status: no if any bundle
// was rejected, else no verdict if there is none on any.
func verdictOf(results []result) error {
	var none error
	for _, r := range results {
		switch {
		case r.err != nil:
			none = noVerdictf("%s: %w", r.name, r.err)
		case r.report.Verdict != verify.Passed:
			return errNo
		}
	}
	if len(results) == 0 {
		return noVerdictf("there was nothing to verify")
	}
	return none
}
