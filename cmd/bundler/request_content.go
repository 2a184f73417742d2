package main

import (
	"errors"
	"path/filepath"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// request makes the request that the flags describe.
func (f *requestFlags) request(args []string, alg trustroot.KeyDetails) (*sign.Request, error) {
	f.inputs = append(f.inputs, args...)
	switch {
	case f.statement != "":
		f.inputs = append(f.inputs, f.statement)
		data, err := readInput(f.statement, sign.MaxMessage)
		if err != nil {
			return nil, err
		}
		q, err := sign.NewStatementRequest(f.nameOf(f.statement), data, alg)
		return q, f.explain(err, f.statement)
	case f.predicate != "":
		return f.predicateRequest(args, alg)
	case f.digest != "":
		d, err := bundle.ParseDigest(f.digest)
		if err != nil {
			return nil, usagef("--digest: %w", err)
		}
		q, err := sign.NewDigestRequest(f.name, d, alg)
		return q, f.explain(err, "--digest")
	}
	r, err := interruptible(f.ctx, fileArtifact(args[0]).Open)()
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	defer r.Close()
	q, err := sign.NewMessageRequest(f.nameOf(args[0]), r, alg)
	return q, f.explain(err, args[0])
}

// nameOf returns the name for a request about the file at path.
func (f *requestFlags) nameOf(path string) string {
	if f.name != "" {
		return f.name
	}
	return filepath.Base(path)
}

// explain tells files that could not be read from those that do not fit.
func (f *requestFlags) explain(err error, about string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sign.ErrRead):
		return noVerdictf("%s: %w", clean(about), err)
	}
	return usagef("%s: %w", clean(about), err)
}

// predicateRequest makes a statement about the files, or about --digest.
func (f *requestFlags) predicateRequest(args []string, alg trustroot.KeyDetails) (*sign.Request, error) {
	f.inputs = append(f.inputs, f.predicate)
	predicate, err := readInput(f.predicate, sign.MaxMessage)
	if err != nil {
		return nil, err
	}
	subjects, err := f.subjects(args)
	if err != nil {
		return nil, err
	}
	statement, err := bundle.NewStatement(subjects, f.typ, predicate)
	if err != nil {
		return nil, usagef("%s: %w", clean(f.predicate), err)
	}
	name := f.predicate
	if len(args) == 1 {
		name = args[0]
	}
	q, err := sign.NewStatementRequest(f.nameOf(name), statement, alg)
	return q, f.explain(err, name)
}

func (f *requestFlags) subjects(args []string) ([]bundle.Subject, error) {
	if f.digest != "" {
		d, err := bundle.ParseDigest(f.digest)
		if err != nil {
			return nil, usagef("--digest: %w", err)
		}
		return []bundle.Subject{{Name: f.name, Digests: []bundle.Digest{d}}}, nil
	}
	var list []bundle.Subject
	paths := map[string]string{}
	for _, path := range args {
		name := filepath.Base(path)
		if other, ok := paths[name]; ok {
			return nil, usagef("expected files with different names, since a statement names its subjects, found %s and %s", clean(other), clean(path))
		}
		paths[name] = path
		subject, err := f.subject(name, path)
		if err != nil {
			return nil, err
		}
		list = append(list, subject)
	}
	return list, nil
}

func (f *requestFlags) subject(name, path string) (bundle.Subject, error) {
	r, err := interruptible(f.ctx, fileArtifact(path).Open)()
	if err != nil {
		return bundle.Subject{}, noVerdictf("%w", err)
	}
	defer r.Close()
	s, err := sign.NewSubject(name, r)
	return s, f.explain(err, path)
}
