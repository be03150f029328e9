// For Jest without a setting: it loads CommonJS only.
const { ServiceError, startService } = require('@roundhouse/agent-sdk');

test('a service starts, answers and stops inside of Jest', async () => {
  const service = await startService({
    name: 'tested-by-jest',
    handler: (_request, response) => response.end('tested'),
    signals: 'ignore',
  });
  expect(await (await fetch(`http://127.0.0.1:${service.port}/`)).text()).toBe('tested');
  await service.stop();
});

test('a mistake is an error of the SDK', async () => {
  await expect(startService({ name: '', handler: () => undefined })).rejects.toThrow(ServiceError);
});
