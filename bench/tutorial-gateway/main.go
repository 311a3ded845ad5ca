// The tutorial's gateway as far as it goes: a middleware that checks an HS256 token by method, audience and issuer, in
// front of the standard library's reverse proxy. The token comes as a bearer token, as in the other contestants.
//
//	tutorial-gateway LISTEN UPSTREAM ISSUER AUDIENCE, the secret in SECRET_KEY
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	runtime.GOMAXPROCS(1)
	secret := []byte(os.Getenv("SECRET_KEY"))
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	proxy.Transport = transport
	// The load generator leaves in mid-reply when its time is up.
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	guarded := isAuthorized(http.StripPrefix("/billing", proxy), secret, os.Args[3], os.Args[4])
	if err := http.ListenAndServe(os.Args[1], guarded); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func isAuthorized(next http.Handler, secret []byte, issuer, audience string) http.Handler {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !found {
			http.Error(w, "No Authorization Token provided", http.StatusUnauthorized)
			return
		}
		token, err := parser.Parse(text, func(*jwt.Token) (any, error) { return secret, nil })
		if err != nil || !token.Valid {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
