-- Texts that name something are VARBINARY (UTF-8): they compare byte for byte. Times are Unix milliseconds.

-- Who does a piece of work: the incarnation of a process. No row: nobody.
CREATE TABLE IF NOT EXISTS claims (
  work VARBINARY(255) NOT NULL,
  token BIGINT NOT NULL,
  PRIMARY KEY (work)
) ENGINE = InnoDB;

-- key_order is the key, or for a very long one its first 2,900 bytes and the SHA-256 of it.
CREATE TABLE IF NOT EXISTS facts (
  space_hash BINARY(32) NOT NULL,
  key_order VARBINARY(2932) NOT NULL,
  fact_key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (space_hash, key_order)
) ENGINE = InnoDB;

-- kind: 0 = an answer, 2 = a broadcast, 3 = a multicast; body is read accordingly. app "-admin": the administration.
CREATE TABLE IF NOT EXISTS idempotency (
  app VARBINARY(64) NOT NULL,
  idem_key VARBINARY(255) NOT NULL,
  kind TINYINT NOT NULL,
  fingerprint BINARY(32) NOT NULL,
  status INT NOT NULL,
  created_at BIGINT NOT NULL,
  body MEDIUMBLOB NOT NULL,
  PRIMARY KEY (app, idem_key),
  KEY idempotency_age (created_at)
) ENGINE = InnoDB;

-- Locked while events of the app are stored, so that ids become visible in their order.
CREATE TABLE IF NOT EXISTS event_totals (
  app VARBINARY(64) NOT NULL,
  last_id BIGINT NOT NULL,
  event_count BIGINT NOT NULL,
  event_bytes BIGINT NOT NULL,
  PRIMARY KEY (app)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS events (
  app VARBINARY(64) NOT NULL,
  id BIGINT NOT NULL,
  user VARBINARY(64) NOT NULL,
  type VARBINARY(255) NOT NULL,
  created_at BIGINT NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (app, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS event_keys (
  app VARBINARY(64) NOT NULL,
  dedupe_key VARBINARY(512) NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (app, dedupe_key),
  KEY event_keys_age (created_at)
) ENGINE = InnoDB;

-- version begins at the time of creation and grows with every change that readers of the log see. bytes are those of the payloads that are kept.
CREATE TABLE IF NOT EXISTS broadcast_logs (
  app VARBINARY(64) NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  version BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  top BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (app)
) ENGINE = InnoDB;

-- payload is NULL once the broadcast expired.
CREATE TABLE IF NOT EXISTS broadcasts (
  app VARBINARY(64) NOT NULL,
  seq BIGINT NOT NULL,
  state TINYINT NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  payload_bytes INT NOT NULL,
  rate INT NOT NULL,
  accepted_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL,
  targeted BIGINT NOT NULL,
  sent BIGINT NOT NULL,
  acked BIGINT NOT NULL,
  offline BIGINT NOT NULL,
  has_payload TINYINT NOT NULL,
  payload LONGBLOB,
  PRIMARY KEY (app, seq),
  KEY broadcasts_state (state, app, seq),
  KEY broadcasts_expiry (has_payload, expires_at)
) ENGINE = InnoDB;
