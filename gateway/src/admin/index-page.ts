/** The pages of the admin listener, for a person who opens it. */
const endpoints = [
  ['/livez', 'the process is alive'],
  ['/readyz', 'ready for traffic: 200, or 503 with the reason'],
  ['/metrics', 'Prometheus metrics'],
  ['/api/summary', 'version, engine, uptime, counts'],
  ['/api/routes', 'what is routed where'],
  ['/api/services', 'services with their instances'],
  ['/api/v1/explain?url=/', 'what would happen to a request, and why (&method=POST)'],
  ['/api/v1/config/history', 'configurations that were applied and refused, changes of the route table'],
] as const;

/** As text. */
export function indexText(): string {
  const lines = endpoints.map(([path, meaning]) => `  ${path.padEnd(22)} ${meaning}`);
  const release =
    '  POST /api/services/NAME/release   drop held instances that the registry no longer lists\n' +
    '  POST /api/routes/release?route=/PATH   take a claimed route from its owner\n' +
    '  POST /api/v1/config/reload   apply what the file has now\n' +
    '  POST /api/v1/config/rollback?version=VERSION   go back to a version and pin it\n' +
    '  POST /api/v1/config/release   end a rollback';
  return `Roundhouse admin\n\n${lines.join('\n')}\n\nAdd ?format=text to the last four for a table.\n\n${release}\n`;
}

/** As HTML, without scripts and styles. */
export function indexHtml(): string {
  const items = endpoints
    .map(([path, meaning]) => `<li><a href="${path}">${path}</a>: ${meaning}</li>`)
    .join('\n');
  return (
    '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Roundhouse admin</title></head>\n' +
    `<body>\n<h1>Roundhouse admin</h1>\n<ul>\n${items}\n</ul>\n` +
    '<p>As tables: <a href="/api/routes?format=text">routes</a>, <a href="/api/services?format=text">services</a>.</p>\n</body>\n</html>\n'
  );
}
