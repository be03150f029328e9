// pm2: `pm2 start ecosystem.config.cjs`. Each instance draws a port of its own, in cluster mode too.
module.exports = {
  apps: [
    {
      name: 'http-example',
      script: './http.mjs',
      instances: 2,
      exec_mode: 'cluster',
      // By default pm2 kills after 1.6 s, and a stop may take longer.
      kill_timeout: 30_000,
    },
  ],
};
