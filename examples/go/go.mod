module countersign.example/go

go 1.24

require (
	github.com/golang-jwt/jwt/v5 v5.2.2
	golang.org/x/oauth2 v0.30.0
)
