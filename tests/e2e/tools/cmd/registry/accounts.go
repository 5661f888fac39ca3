package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"golang.org/x/crypto/bcrypt"
)

// account may do these actions in the repositories with this prefix. Only the
// token server looks at that: to htpasswd all accounts are equal.
type account struct {
	password string
	prefix   string
	actions  []string
}

// The tests know these names. Publisher puts the images there.
var accounts = map[string]account{
	"publisher": {"print", "", []string{"pull", "push"}},
	"ada":       {"engine", "team/", []string{"pull"}},
	"bob":       {"builder", "other/", []string{"pull"}},
}

// accountOf is the account with this password, if there is one.
func accountOf(user, password string) (account, bool) {
	found, known := accounts[user]
	return found, known && found.password == password
}

// allowed are the actions among these that the account may do.
func (a account) allowed(repository string, actions []string) []string {
	if !strings.HasPrefix(repository, a.prefix) {
		return nil
	}
	isRefused := func(action string) bool { return !slices.Contains(a.actions, action) }
	return slices.DeleteFunc(slices.Clone(actions), isRefused)
}

// passwordAuth is the setting that lets in the accounts.
func passwordAuth() (configuration.Auth, error) {
	var lines strings.Builder
	for user, account := range accounts {
		// As cheap as it gets: nothing is defended here.
		hash, err := bcrypt.GenerateFromPassword([]byte(account.password), bcrypt.MinCost)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&lines, "%s:%s\n", user, hash)
	}
	path, err := written("htpasswd", []byte(lines.String()))
	return configuration.Auth{"htpasswd": {"realm": "e2e", "path": path}}, err
}

func written(name string, content []byte) (string, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o600)
}
