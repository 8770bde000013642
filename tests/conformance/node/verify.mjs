// aws-jwt-verify as the judge of many tokens: `node verify.mjs`, with {verifiers, tokens} as one JSON object on stdin: the properties of
// each verifier by name, with its `kind` and its key set, and the tokens as [verifier, token]. A line of JSON on stdout: of each token null
// where it is valid, and the name of the error where it is not.
import { readFileSync } from 'node:fs';
import { CognitoJwtVerifier, JwtVerifier } from 'aws-jwt-verify';

const { verifiers, tokens } = JSON.parse(readFileSync(0, 'utf8'));
const made = {};
for (const [name, { kind, jwks, ...properties }] of Object.entries(verifiers)) {
  made[name] = (kind === 'cognito' ? CognitoJwtVerifier : JwtVerifier).create(properties);
  made[name].cacheJwks(jwks);
}
const judged = tokens.map(([name, token]) => {
  try {
    made[name].verifySync(token);
    return null;
  } catch (thrown) {
    return thrown.constructor.name;
  }
});
console.log(JSON.stringify(judged));
