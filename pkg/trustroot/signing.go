package trustroot

// SigningConfig names the services a signer uses: SigningConfig v0.2.
type SigningConfig struct{}
