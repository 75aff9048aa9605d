// A broker's login by oidc-provider. Arguments: port, the portal's public key as a JWK, its address
// for answers. Whoever logs in is the holder of the account that was typed in as the name.
import Provider from "oidc-provider";

const [port, clientKey, back] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: "portal",
    redirect_uris: [back],
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    id_token_signed_response_alg: "RS256",
    jwks: { keys: [JSON.parse(clientKey)] },
  }],
  claims: { openid: ["sub", "securities_account"] },
  conformIdTokenClaims: false,
  features: { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: `customer of ${id}`.replaceAll(" ", "-"), securities_account: id }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
