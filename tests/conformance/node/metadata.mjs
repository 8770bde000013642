// The AWS SDK for JavaScript with its default chain, as a service that knows nothing but its environment: `node metadata.mjs [COUNT]`.
// It asks STS who it is, COUNT times, and prints the answers' ARNs once each and how long its credentials last, as a line of JSON;
// where the SDK throws, {thrown, message}.
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const count = Number(process.argv[2] ?? 1);
try {
  const client = new STSClient({});
  const arns = new Set();
  for (let i = 0; i < count; i++) arns.add((await client.send(new GetCallerIdentityCommand({}))).Arn);
  const held = await client.config.credentials();
  console.log(JSON.stringify({ arns: [...arns], expiration: held.expiration }));
} catch (thrown) {
  console.log(JSON.stringify({ thrown: thrown.name, message: thrown.message }));
}
