//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// findToken returns the one token that u names, and its slot.
func findToken(ctx *pkcs11.Ctx, u *uri) (slot uint, info pkcs11.TokenInfo, err error) {
	slots, err := ctx.GetSlotList(true)
	if err != nil {
		return 0, info, fmt.Errorf("listing the slots: %w", err)
	}
	var present, matching []string
	for _, s := range slots {
		t, err := ctx.GetTokenInfo(s)
		if err != nil || t.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue // a card just taken out, or one that holds nothing yet
		}
		name := fmt.Sprintf("token %q with serial %q in slot %d", t.Label, t.SerialNumber, s)
		present = append(present, name)
		if u.matches(s, t) {
			matching = append(matching, name)
			slot, info = s, t
		}
	}
	switch {
	case len(present) == 0:
		return 0, info, errors.New("expected a token, found none in any slot of the PKCS#11 module")
	case len(matching) == 0:
		return 0, info, fmt.Errorf("expected a token as the URI says, found %s", strings.Join(present, ", "))
	case len(matching) > 1:
		return 0, info, fmt.Errorf("expected one token as the URI says, found %s: serial=… or slot-id=… tells them apart", strings.Join(matching, ", "))
	}
	return slot, info, nil
}

func (u *uri) matches(slot uint, t pkcs11.TokenInfo) bool {
	same := func(want *string, got string) bool { return want == nil || *want == got }
	return same(u.token, t.Label) && same(u.manufacturer, t.ManufacturerID) &&
		same(u.serial, t.SerialNumber) && same(u.model, t.Model) && (u.slot == nil || *u.slot == slot)
}

// login logs in to the token, unless another session of this process has or the
// token asks for no login.
func (s *session) login(ctx context.Context, u *uri, ask signer.PasswordFunc) error {
	if s.token.Flags&pkcs11.CKF_LOGIN_REQUIRED == 0 {
		return nil
	}
	if s.joinLogin() {
		return nil
	}
	// Nobody else is kept waiting while a person looks for their PIN.
	pin, err := s.pin(ctx, u, ask)
	if err != nil {
		return err
	}
	defer clear(pin)
	modules.Lock()
	defer modules.Unlock()
	err = s.module.ctx.Login(s.handle, pkcs11.CKU_USER, string(pin))
	if err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		return s.explainLogin(err)
	}
	s.module.logins[s.slot]++
	s.loggedIn = true
	return nil
}

// joinLogin relies on the login of another session, if there is one.
func (s *session) joinLogin() bool {
	modules.Lock()
	defer modules.Unlock()
	if s.module.logins[s.slot] > 0 {
		s.module.logins[s.slot]++
		s.loggedIn = true
	}
	return s.loggedIn
}

// pin returns the token's PIN. It is empty for a token that reads it by itself.
func (s *session) pin(ctx context.Context, u *uri, ask signer.PasswordFunc) ([]byte, error) {
	// The flags may have changed since the token was found.
	info, err := s.module.ctx.GetTokenInfo(s.slot)
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", s.token.Label, err)
	}
	lastTry := info.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0
	prompt := fmt.Sprintf("PIN of the token %q", info.Label)
	if lastTry {
		prompt += ", which locks if it is wrong"
	}
	switch {
	case info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return nil, fmt.Errorf("token %q: its PIN is locked after too many wrong ones: its security officer can set a new one", info.Label)
	case info.Flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0:
		return nil, nil
	case u.pinSource != "" && lastTry:
		return nil, fmt.Errorf("token %q: a wrong PIN would lock it, and the last one was wrong: expected the PIN from a person, by a URI without pin-source", info.Label)
	case u.pinSource != "":
		if ask, err = pinSource(u.pinSource); err != nil {
			return nil, err
		}
	case ask == nil:
		return nil, fmt.Errorf("token %q: expected a PIN, found no way to ask for one: pin-source=file:PATH or fd:N names one", info.Label)
	}
	pin, err := ask(ctx, prompt)
	if err == nil && len(pin) == 0 {
		err = fmt.Errorf("token %q: expected a PIN, found an empty one", info.Label)
	}
	return pin, err
}

func (s *session) explainLogin(err error) error {
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INCORRECT)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LEN_RANGE)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INVALID)):
		return fmt.Errorf("token %q: the PIN is wrong; it was tried once, and tokens lock after a few wrong ones: %w", s.token.Label, err)
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LOCKED)):
		return fmt.Errorf("token %q: the PIN is locked: its security officer can set a new one: %w", s.token.Label, err)
	}
	return fmt.Errorf("token %q: logging in: %w", s.token.Label, err)
}
