//go:build unix

package secretfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func write(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadRefusesWhatOthersSee(t *testing.T) {
	t.Parallel()
	t.Run("F04-readable-by-others", func(t *testing.T) {
		t.Parallel()
		for mode, want := range map[fs.FileMode]bool{
			0o600: true, 0o400: true, 0o700: true,
			0o640: false, 0o604: false, 0o644: false, 0o620: false, 0o602: false, 0o601: false, 0o777: false,
		} {
			path := write(t, filepath.Join(t.TempDir(), "key"), "secret", mode)
			data, err := Read(path, 100, nil)
			if (err == nil) != want || want && string(data) != "secret" {
				t.Errorf("mode %04o: got %q, %v, want accepted %v", mode, data, err, want)
			}
			if data, err := Read(path, 100, &ReadOptions{Shared: true}); err != nil || string(data) != "secret" {
				t.Errorf("mode %04o with the override: got %q, %v", mode, data, err)
			}
		}
	})
	t.Run("F03-symbolic-link", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := write(t, filepath.Join(dir, "key"), "secret", 0o600)
		link := filepath.Join(dir, "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if data, err := Read(link, 100, nil); err == nil || data != nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("got %q, %v, want an error about the link", data, err)
		}
		if _, err := Read(link, 100, &ReadOptions{Shared: true}); err != nil {
			t.Errorf("with the override: %v", err)
		}
		if _, err := Read(path, 100, nil); err != nil {
			t.Errorf("the twin: %v", err)
		}
	})
}

func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "key"), "0123456789", 0o600)
	for limit, want := range map[int]bool{9: false, 10: true, 11: true} {
		if data, err := Read(path, limit, nil); (err == nil) != want || want && len(data) != 10 {
			t.Errorf("limit %d: got %q, %v", limit, data, err)
		}
	}
	if data, err := Read(write(t, filepath.Join(dir, "empty"), "", 0o600), 10, nil); err != nil || len(data) != 0 {
		t.Errorf("an empty file: got %q, %v", data, err)
	}
	// None of these is read, and none makes us wait.
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, filepath.Join(dir, "absent"), "/dev/zero"} {
		if data, err := Read(path, 10, &ReadOptions{Shared: true}); err == nil || data != nil {
			t.Errorf("%s: got %q, %v, want an error", path, data, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "absent"), 10, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an absent file: got %v, want %v", err, fs.ErrNotExist)
	}
}

// Serial: the umask is the process's.
func TestCreateIgnoresTheUmask(t *testing.T) {
	t.Run("F03-umask", func(t *testing.T) {
		for _, mask := range []int{0, 0o022, 0o077, 0o777} {
			path := filepath.Join(t.TempDir(), "key")
			old := syscall.Umask(mask)
			err := Create(path, []byte("secret"))
			syscall.Umask(old)
			if err != nil {
				t.Fatalf("umask %04o: %v", mask, err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("umask %04o: got %v, %v, want mode 0600", mask, info.Mode(), err)
			}
		}
	})
}

func TestCreateNeverTouchesWhatIsThere(t *testing.T) {
	t.Parallel()
	t.Run("F03-file-or-link-exists", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		file := write(t, filepath.Join(dir, "file"), "old", 0o644)
		link, dangling := filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
		if err := errors.Join(os.Symlink(file, link), os.Symlink(filepath.Join(dir, "nowhere"), dangling)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{file, link, dangling, dir} {
			if err := Create(path, []byte("secret")); err == nil {
				t.Errorf("%s: written", path)
			}
		}
		if text, err := os.ReadFile(file); string(text) != "old" {
			t.Errorf("the file is now %q, %v", text, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the link was followed: %v", err)
		}
		if info, err := os.Lstat(dangling); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("the link is gone: %v, %v", info, err)
		}
		if err := Create(filepath.Join(dir, "new"), []byte("secret")); err != nil {
			t.Errorf("the twin: %v", err)
		}
	})
	if err := Create(filepath.Join(t.TempDir(), "absent", "key"), nil); err == nil {
		t.Error("written into a directory that does not exist")
	}
}
