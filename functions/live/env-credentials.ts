/**
 * Takes the place of `@aws-sdk/credential-provider-node` in the bundles of the functions, whose other sources (SSO,
 * profiles, instance metadata) are most of an SDK client's size. Lambda gives a role's credentials by the environment and
 * renews them only with the environment itself, so they never expire while this process lives.
 */
export const defaultProvider = () => () => {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = process.env;
  if (!accessKeyId || !secretAccessKey) return Promise.reject(new Error("no AWS credentials in the environment"));
  return Promise.resolve({ accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) });
};
