-- accepted_at is the time of the creation until the list is complete. parts_left counts the parts that are not done.
-- payload is NULL once the multicast has ended and its parts are removed.
CREATE TABLE IF NOT EXISTS multicasts (
  id BIGINT NOT NULL AUTO_INCREMENT,
  app VARBINARY(64) NOT NULL,
  state TINYINT NOT NULL,
  level TINYINT NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  payload_bytes INT NOT NULL,
  rate INT NOT NULL,
  accepted_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL,
  targeted BIGINT NOT NULL,
  accepted BIGINT NOT NULL,
  refused BIGINT NOT NULL,
  online BIGINT NOT NULL,
  parts_left INT NOT NULL,
  has_payload TINYINT NOT NULL,
  payload LONGBLOB,
  PRIMARY KEY (id),
  KEY multicasts_app (app, id),
  KEY multicasts_state (state, id),
  KEY multicasts_ended (has_payload, finished_at)
) ENGINE = InnoDB;

-- users: each one byte of length and that many bytes of UTF-8. owner: the token of who works on it, 0 = nobody.
CREATE TABLE IF NOT EXISTS multicast_parts (
  multicast_id BIGINT NOT NULL,
  part INT NOT NULL,
  is_done TINYINT NOT NULL,
  owner BIGINT NOT NULL,
  position INT NOT NULL,
  user_count INT NOT NULL,
  users MEDIUMBLOB NOT NULL,
  PRIMARY KEY (multicast_id, part),
  KEY multicast_parts_open (multicast_id, is_done, part)
) ENGINE = InnoDB;
