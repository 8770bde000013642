// The container provider of the AWS SDK for JavaScript, asked once by itself: the default chain goes on to another and says no more than
// that none gave anything. What it throws is a line of JSON on stdout, {thrown, Code, Message}.
import { fromHttp } from '@aws-sdk/credential-provider-http';

try {
  const { accessKeyId, expiration } = await fromHttp({ maxRetries: 0 })();
  console.log(JSON.stringify({ accessKeyId, expiration }));
} catch ({ message, Code, Message }) {
  console.log(JSON.stringify({ thrown: message, Code, Message }));
}
