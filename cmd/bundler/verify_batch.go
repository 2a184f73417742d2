package main

import (
	"bufio"
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// Limits on one call.
const (
	maxJobs         = 1_000_000
	maxManifestLine = 64 << 10 // bytes
)

// outcome is what became of a job: results, or a panic with its stack.
type outcome struct {
	results []result
	panic   any
}

// runJobs runs jobs on every core and yields their results in the jobs' order,
// each as soon as it and all before it are there. A panic in a job becomes one
// of the caller's: on its own goroutine it would end the process with the exit
// status of wrong usage.
func runJobs(ctx context.Context, jobs []*job, run func(*job) []result) iter.Seq[[]result] {
	done := make([]chan outcome, len(jobs))
	for i := range done {
		done[i] = make(chan outcome, 1)
	}
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		go func() {
			for i := range next {
				done[i] <- runJob(jobs[i], run)
			}
		}()
	}
	go func() {
		defer close(next)
		for i := range jobs {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(yield func([]result) bool) {
		for i := range jobs {
			select {
			case o := <-done[i]:
				if o.panic != nil {
					panic(o.panic)
				}
				if !yield(o.results) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func runJob(j *job, run func(*job) []result) (o outcome) {
	defer func() {
		if r := recover(); r != nil {
			o.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	return outcome{results: run(j)}
}

// besideJobs finds the bundles of a file, or of all files in a directory.
func besideJobs(arg string) ([]*job, error) {
	info, err := os.Lstat(arg)
	if err != nil || !info.IsDir() {
		return []*job{besideJob(arg)}, nil
	}
	var jobs []*job
	err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case len(jobs) == maxJobs:
			return usagef("%s holds more than the limit of %d files", arg, maxJobs)
		case isBundleOfFile(path):
			return nil
		case isBundleName(path):
			jobs = append(jobs, &job{path: path, artifacts: []*verify.Artifact{{Name: path}},
				err: errors.New("a bundle without its artifact")})
			return nil
		}
		jobs = append(jobs, besideJob(path))
		return nil
	})
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	if len(jobs) == 0 {
		return nil, noVerdictf("%s holds no files: there is nothing to verify", arg)
	}
	return jobs, nil
}

func besideJob(artifact string) *job {
	path, err := bundle.Find(artifact)
	return &job{path: path, artifacts: []*verify.Artifact{fileArtifact(artifact)}, err: err}
}

func isBundleName(path string) bool {
	for _, suffix := range bundle.Suffixes {
		if strings.HasSuffix(path, suffix) {
			return true
		}
	}
	return false
}

// isBundleOfFile reports whether path is the bundle of a file beside it.
func isBundleOfFile(path string) bool {
	for _, suffix := range bundle.Suffixes {
		if artifact, ok := strings.CutSuffix(path, suffix); ok {
			if info, err := os.Lstat(artifact); err == nil && !info.IsDir() {
				return true
			}
		}
	}
	return false
}

// manifestJobs reads a manifest.
func manifestJobs(path string) ([]*job, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxManifestLine)
	var jobs []*job
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if len(jobs) == maxJobs {
			return nil, usagef("%s lists more than the limit of %d artifacts", path, maxJobs)
		}
		j, err := manifestJob(lines.Bytes())
		if err != nil {
			return nil, usagef("%s, line %d: %w", path, number, err)
		}
		jobs = append(jobs, j)
	}
	if err := lines.Err(); err != nil {
		return nil, noVerdictf("reading %s: %w", path, err)
	}
	if len(jobs) == 0 {
		return nil, noVerdictf("%s lists nothing to verify", path)
	}
	return jobs, nil
}

func manifestJob(line []byte) (*job, error) {
	var item struct {
		Artifact string `json:"artifact"`
		Bundle   string `json:"bundle"`
	}
	if err := json.Unmarshal(line, &item, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	switch {
	case item.Artifact == "":
		return nil, errors.New("expected an artifact")
	case item.Bundle != "":
		a, err := artifactOf(item.Artifact)
		return &job{path: item.Bundle, artifacts: []*verify.Artifact{a}}, err
	case isDigest(item.Artifact):
		return nil, errors.New("a digest needs a bundle")
	}
	return besideJob(item.Artifact), nil
}
