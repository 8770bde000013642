// oauth4webapi as a client of the broker: `node clients.mjs`, with what to do as one JSON object on stdin:
// {issuer, id, secret, auth: "basic" | "post", ask: "token" | "exchange" | "introspect", parameters}. What came of it is a line of JSON
// on stdout; where the library throws, {thrown, error, description, status, challenges}.
import { readFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';

const { issuer, id, secret, auth, ask, parameters } = JSON.parse(readFileSync(0, 'utf8'));
// The broker is on loopback.
const options = { [oauth.allowInsecureRequests]: true };
const client = { client_id: id };
const proof = auth === 'basic' ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret);
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
// The library knows the token types of RFC 6749 and wants to be told of others.
const recognizedTokenTypes = { n_a: () => {} };

async function server() {
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { ...options, algorithm: 'oauth2' });
  return oauth.processDiscoveryResponse(url, response);
}

const asked = {
  async token(as) {
    const response = await oauth.clientCredentialsGrantRequest(as, client, proof, parameters, options);
    return oauth.processClientCredentialsResponse(as, client, response);
  },
  async exchange(as) {
    const response = await oauth.genericTokenEndpointRequest(as, client, proof, EXCHANGE, parameters, options);
    return oauth.processGenericTokenEndpointResponse(as, client, response, { recognizedTokenTypes });
  },
  async introspect(as) {
    const { token, ...additionalParameters } = parameters;
    const response = await oauth.introspectionRequest(as, client, proof, token, { ...options, additionalParameters });
    return oauth.processIntrospectionResponse(as, client, response);
  },
};

try {
  console.log(JSON.stringify(await asked[ask](await server())));
} catch (thrown) {
  const { error, error_description: description, status, cause } = thrown;
  const challenges = Array.isArray(cause) ? cause.map((one) => one.scheme) : undefined;
  console.log(JSON.stringify({ thrown: thrown.name, error, description, status, challenges, code: thrown.code }));
}
