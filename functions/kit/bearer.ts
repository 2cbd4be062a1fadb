/** The token of `Authorization: Bearer <token>`; null where the header is absent or of another scheme. */
export function bearerOf(header: string | undefined): string | null {
  return /^Bearer ([^\s]+)$/i.exec(header ?? "")?.[1] ?? null;
}
