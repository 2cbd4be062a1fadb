/** Whom an OpenID provider vouches for. */
export interface ProvidedIdentity {
  issuer: string;
  /** The provider's name for the person; never given to another. */
  subject: string;
  /** Lower case, and verified by the provider. */
  email: string;
  /** SHA-256 of what was signed, the same for every spelling of the same token. */
  tokenHash: string;
  /** Milliseconds: the token is good no longer than that. */
  goodUntil: number;
}

export interface IdentityProviders {
  /**
   * Whom this ID token is about. Throws `not_found` for a provider that is not configured, `forbidden` for an email that the
   * provider has not verified, `identity_provider_unavailable` where its keys cannot be had, `unauthenticated` for any
   * other token.
   */
  verify(provider: string, idToken: string): Promise<ProvidedIdentity>;
}
