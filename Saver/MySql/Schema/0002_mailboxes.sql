-- One row per partition of the users. epoch, fence and jseq say how far the partition's owner has landed: a writer with a lower
-- fence is refused, and redis below this jseq or epoch has lost data.
CREATE TABLE mailbox_parts (
  part INT NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  fence BIGINT NOT NULL,
  jseq BIGINT NOT NULL,
  PRIMARY KEY (part)
) ENGINE = InnoDB;

-- State of a mailbox, packed as in redis (Saver/Redis/PackedState.cs).
CREATE TABLE mailboxes (
  part INT NOT NULL,
  app VARBINARY(64) NOT NULL,
  user VARBINARY(64) NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (part, app, user)
) ENGINE = InnoDB;

-- Waiting messages. A row counts only while its mailbox has not acknowledged or skipped it. Times in Unix milliseconds.
CREATE TABLE mailbox_messages (
  part INT NOT NULL,
  app VARBINARY(64) NOT NULL,
  user VARBINARY(64) NOT NULL,
  seq BIGINT NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  accepted_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  PRIMARY KEY (part, app, user, seq),
  KEY mailbox_messages_expiry (expires_at)
) ENGINE = InnoDB;

-- Messages that were set aside after too many deliveries without an acknowledgement.
CREATE TABLE mailbox_parked (
  part INT NOT NULL,
  app VARBINARY(64) NOT NULL,
  user VARBINARY(64) NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  seq BIGINT NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  accepted_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  parked_at BIGINT NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  PRIMARY KEY (part, app, user, epoch, seq),
  KEY mailbox_parked_age (parked_at)
) ENGINE = InnoDB;

-- Rows that the landing tier refused one by one (dead letters): seq 0 = a mailbox's state. The message itself stays in redis.
CREATE TABLE mailbox_rejected (
  part INT NOT NULL,
  app VARBINARY(64) NOT NULL,
  user VARBINARY(64) NOT NULL,
  seq BIGINT NOT NULL,
  rejected_at BIGINT NOT NULL,
  error VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL,
  content MEDIUMBLOB NOT NULL,
  PRIMARY KEY (part, app, user, seq),
  KEY mailbox_rejected_age (rejected_at)
) ENGINE = InnoDB;
