// The AWS SDK for JavaScript as a service has it: `node caller_identity.mjs [TIMES]` asks STS so often who it is, and prints an ARN a
// line. Everything comes from the environment. Where the SDK throws, its message goes to stderr.
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const times = Number(process.argv[2] ?? 1);
const sts = new STSClient({});
try {
  for (let time = 0; time < times; time += 1) console.log((await sts.send(new GetCallerIdentityCommand({}))).Arn);
} catch (thrown) {
  console.error(`${thrown.name}: ${thrown.message}`);
  process.exitCode = 1;
}
