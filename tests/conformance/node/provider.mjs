// oidc-provider on loopback, in memory: `node provider.mjs PORT CLIENTS`, CLIENTS being the metadata of its clients in a JSON file.
// Every answer of the token endpoint is told to stdout as a line of JSON: who asked, proven how, and why not, if not.
import { readFileSync } from 'node:fs';
import Provider, { errors } from 'oidc-provider';

const [port, clients] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const scopes = ['orders.read', 'orders.write'];
// A client of this name is held to FAPI 2.0: its assertions are for the issuer, as one string, and for nothing else.
const STRICT = 'signs-for-the-issuer';

const provider = new Provider(issuer, {
  clients: JSON.parse(readFileSync(clients, 'utf8')),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] },
  assertJwtClientAuthClaimsAndHeader(ctx, claims, header, client) {
    if (client.clientId === STRICT && claims.aud !== issuer) throw new errors.InvalidClient('aud is not the issuer');
    ctx.assertion = { alg: header.alg, kid: header.kid, aud: claims.aud };
  },
  scopes,
  ttl: { ClientCredentials: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({ scope: scopes.join(' '), audience: resource, accessTokenFormat: 'jwt' }),
    },
  },
});

const tell = (ctx, refusal) => {
  const { client_secret: secret, client_assertion: assertion } = ctx.oidc.params ?? {};
  const by = [ctx.get('authorization') && 'basic', secret && 'post', assertion && 'assertion'].filter(Boolean).join('+');
  console.log(JSON.stringify({ client: ctx.oidc.client?.clientId, by, ...ctx.assertion, refusal: refusal?.error_detail ?? refusal?.message }));
};
provider.on('grant.success', (ctx) => tell(ctx));
provider.on('grant.error', tell);

provider.listen(Number(port), '127.0.0.1');
