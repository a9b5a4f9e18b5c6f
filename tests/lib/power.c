/* SPDX-License-Identifier: MIT */
/*
 * See power.h. A file's whole content is kept in memory with a bit for each sector that differs
 * from the disk's. Databases keep the system's file below them for its locks and shared memory
 * (which is rebuilt after a crash, so it is no matter of power); logs and journals have neither,
 * and exist as real files only after their first sync, which syncs their directory too, as the
 * first sync by each handle does: what was removed before is gone for good from then on.
 */
#include "config.h"

#include "lib/power.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "store/sqlite_pass.h"

#define SECTOR 512u
#define RUN    128u /* sectors written at once: the system's xWrite takes less than 128 KiB */

struct machine {
    char *dir;
    bool is_cut, lies;
    size_t calls, cut_at; /* since power_cut_at() */
    unsigned leak;        /* percent */
    uint32_t random;
    bool is_full;
    char *sync_name; /* power_fail_sync() */
    size_t sync_left;
    bool drops, has_failed_sync;
    struct machine *next;
};

struct file {
    struct machine *machine;
    char *path;
    uint8_t *bytes; /* as it is read */
    size_t size, max;
    uint8_t *dirty;   /* a byte per sector: the disk's differs */
    size_t disk_size; /* of the real file */
    size_t kept;      /* of the real file, so much was never cut off since the last sync */
    bool is_there;    /* as far as who runs can see */
    bool is_on_disk;
    bool is_dead; /* power failed while it was open */
    unsigned handles;
    struct file *next;
};

struct handle {
    struct sqlite_pass pass; /* first member; below a database, behind this struct; else NULL */
    struct file *file;
    bool has_synced;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct machine *machines;
static struct file *files; /* without the dead */
static sqlite3_vfs *system_vfs;
static sqlite3_io_methods db_methods, log_methods;

/* ---- machines ---- */

static struct machine *machine_get(const char *dir, size_t len)
{
    struct machine *m;

    for (m = machines; m != NULL; m = m->next)
        if (strlen(m->dir) == len && strncmp(m->dir, dir, len) == 0)
            return m;
    m = mem_zalloc(sizeof(*m));
    m->dir = mem_strndup(dir, len);
    m->random = 1;
    m->next = machines;
    machines = m;
    return m;
}

static uint32_t random_next(struct machine *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 17;
    m->random ^= m->random << 5;
    return m->random;
}

static bool leaks(struct machine *m)
{
    return m->leak > 0 && random_next(m) % 100 < m->leak;
}

static void file_free(struct file *f)
{
    free(f->path);
    free(f->bytes);
    free(f->dirty);
    free(f);
}

static void cut(struct machine *m)
{
    m->is_cut = true;
    for (struct file **at = &files; *at != NULL;) {
        struct file *f = *at;

        if (f->machine != m) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        f->is_dead = true;
        if (f->handles == 0)
            file_free(f);
    }
}

/* A call that changes something: does it still find power? */
static bool has_power(struct machine *m)
{
    if (!m->is_cut && ++m->calls == m->cut_at)
        cut(m);
    return !m->is_cut;
}

/* ---- the real file ---- */

static int disk_open(struct file *f)
{
    int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0)
        f->is_on_disk = true;
    return fd;
}

static int disk_write(struct handle *h, size_t at, size_t n)
{
    struct file *f = h->file;
    bool ok;
    int fd;

    if (h->pass.under != NULL) {
        /* Not by a descriptor of ours: closing it would drop the process's locks. */
        ok = sqlite_pass_methods.xWrite(&h->pass.base, f->bytes + at, (int)n, (sqlite3_int64)at) ==
             SQLITE_OK;
    } else {
        fd = disk_open(f);
        ok = fd >= 0 && pwrite(fd, f->bytes + at, n, (off_t)at) == (ssize_t)n;
        if (fd >= 0)
            (void)close(fd);
    }
    if (ok)
        f->disk_size = MAX(f->disk_size, at + n);
    return ok ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int disk_truncate(struct handle *h, size_t size)
{
    struct file *f = h->file;
    bool ok;
    int fd;

    if (h->pass.under != NULL) {
        ok = sqlite_pass_methods.xTruncate(&h->pass.base, (sqlite3_int64)size) == SQLITE_OK;
    } else {
        fd = disk_open(f);
        ok = fd >= 0 && ftruncate(fd, (off_t)size) == 0;
        if (fd >= 0)
            (void)close(fd);
    }
    if (ok)
        f->disk_size = size;
    return ok ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static void disk_read(struct handle *h, size_t at, size_t n)
{
    uint8_t *p = h->file->bytes + at;
    int fd;

    memset(p, 0, n); /* what is behind its end */
    if (h->pass.under != NULL) {
        (void)sqlite_pass_methods.xRead(&h->pass.base, p, (int)n, (sqlite3_int64)at);
        return;
    }
    fd = open(h->file->path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, p, n, (off_t)at) < 0)
        abort();
    if (fd >= 0)
        (void)close(fd);
}

static void disk_remove(struct file *f)
{
    (void)unlink(f->path);
    f->is_on_disk = false;
    f->disk_size = f->kept = 0;
}

static void disk_sync_names(const struct machine *m)
{
    for (struct file *f = files; f != NULL; f = f->next)
        if (f->machine == m && !f->is_there && f->is_on_disk)
            disk_remove(f);
}

static int persist(struct handle *h)
{
    struct file *f = h->file;
    size_t sectors = (f->size + SECTOR - 1) / SECTOR;
    int rc = SQLITE_OK;

    if (!f->is_on_disk)
        disk_sync_names(f->machine);
    if (f->kept < f->disk_size || !f->is_on_disk)
        rc = disk_truncate(h, f->kept);
    for (size_t i = 0, j; rc == SQLITE_OK && i < sectors; i = MAX(j, i + 1)) {
        for (j = i; j < sectors && j - i < RUN && f->dirty[j]; j++)
            ;
        if (j > i)
            rc = disk_write(h, i * SECTOR, MIN(j * SECTOR, f->size) - i * SECTOR);
        if (rc == SQLITE_OK && j > i)
            memset(f->dirty + i, 0, j - i);
    }
    if (rc == SQLITE_OK && f->disk_size != f->size)
        rc = disk_truncate(h, f->size);
    if (rc == SQLITE_OK)
        f->kept = f->size;
    return rc;
}

/* ---- the file in memory ---- */

static void grow(struct file *f, size_t size)
{
    size_t max = f->max;

    if (size > max) {
        max = MAX(size + size / 2, 64u * SECTOR) / SECTOR * SECTOR + SECTOR;
        f->bytes = mem_realloc(f->bytes, max);
        f->dirty = mem_realloc(f->dirty, max / SECTOR);
        memset(f->dirty + f->max / SECTOR, 0, (max - f->max) / SECTOR);
        f->max = max;
    }
    if (size > f->size) {
        memset(f->bytes + f->size, 0, size - f->size);
        f->size = size;
    }
}

static struct file *file_find(const char *path)
{
    struct file *f;

    for (f = files; f != NULL; f = f->next)
        if (strcmp(f->path, path) == 0)
            break;
    return f;
}

static struct file *file_get(const char *path)
{
    struct file *f = file_find(path);
    const char *slash = strrchr(path, '/');
    struct stat sb;
    ssize_t n = -1;
    int fd;

    if (f != NULL)
        return f;
    f = mem_zalloc(sizeof(*f));
    f->machine = machine_get(path, slash != NULL ? (size_t)(slash - path) : 0);
    f->path = mem_strdup(path);
    f->next = files;
    files = f;
    /* Nobody of this process can have locks on it: none has opened it since its power is on. */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &sb) == 0) {
        grow(f, (size_t)sb.st_size);
        n = read(fd, f->bytes, f->size);
        f->is_there = f->is_on_disk = true;
        f->disk_size = f->kept = f->size;
    }
    if (fd >= 0)
        (void)close(fd);
    if (f->is_there && n != (ssize_t)f->size)
        abort();
    return f;
}

static struct handle *of(sqlite3_file *file)
{
    return (struct handle *)file;
}

static int file_close(sqlite3_file *file)
{
    struct handle *h = of(file);
    int rc = h->pass.under != NULL ? sqlite_pass_methods.xClose(file) : SQLITE_OK;

    (void)pthread_mutex_lock(&lock);
    if (--h->file->handles == 0 && h->file->is_dead)
        file_free(h->file);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int file_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    struct file *f = of(file)->file;
    size_t have = 0;
    int rc = SQLITE_IOERR_READ;

    (void)pthread_mutex_lock(&lock);
    if (!f->is_dead) {
        if ((size_t)at < f->size)
            have = MIN((size_t)n, f->size - (size_t)at);
        if (have > 0)
            memcpy(p, f->bytes + at, have);
        memset((uint8_t *)p + have, 0, (size_t)n - have);
        rc = have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* Sector by sector: some of it gets to the disk, in whatever order it was written. */
static int leak_some(struct handle *h, size_t at, size_t n)
{
    size_t end = at + n;
    int rc = SQLITE_OK;

    for (size_t next; rc == SQLITE_OK && at < end; at = next) {
        next = MIN(end, (at / SECTOR + 1) * SECTOR);
        if (leaks(h->file->machine))
            rc = disk_write(h, at, next - at);
    }
    return rc;
}

static int file_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct handle *h = of(file);
    struct file *f = h->file;
    size_t end = (size_t)at + (size_t)n;
    int rc = SQLITE_IOERR_WRITE;

    (void)pthread_mutex_lock(&lock);
    if (!f->is_dead && f->machine->is_full) {
        rc = SQLITE_FULL;
    } else if (!f->is_dead && has_power(f->machine)) {
        grow(f, end);
        memcpy(f->bytes + at, p, (size_t)n);
        for (size_t i = (size_t)at / SECTOR; i * SECTOR < end; i++)
            f->dirty[i] = 1;
        rc = leak_some(h, (size_t)at, (size_t)n);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = of(file);
    struct file *f = h->file;
    int rc = SQLITE_IOERR_TRUNCATE;

    (void)pthread_mutex_lock(&lock);
    if (!f->is_dead && has_power(f->machine)) {
        rc = SQLITE_OK;
        grow(f, (size_t)size);
        f->size = (size_t)size;
        f->kept = MIN(f->kept, f->size);
        for (size_t i = (f->size + SECTOR - 1) / SECTOR; i < f->max / SECTOR; i++)
            f->dirty[i] = 0;
        if (f->disk_size > f->size && leaks(f->machine))
            rc = disk_truncate(h, f->size);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* A system's way with pages that it could not write. */
static void forget_dirty(struct handle *h)
{
    struct file *f = h->file;

    for (size_t i = 0; i * SECTOR < f->size; i++) {
        if (f->dirty[i] && f->machine->drops)
            disk_read(h, i * SECTOR, MIN(SECTOR, f->size - i * SECTOR));
        f->dirty[i] = 0;
    }
}

static bool sync_fails(struct file *f)
{
    struct machine *m = f->machine;
    const char *slash = strrchr(f->path, '/');

    if (m->sync_left == 0 || slash == NULL || strcmp(slash + 1, m->sync_name) != 0 ||
        --m->sync_left > 0)
        return false;
    m->has_failed_sync = true;
    return true;
}

static int sync_file(struct handle *h)
{
    int rc = persist(h);

    if (rc == SQLITE_OK && h->pass.under == NULL && !h->has_synced) {
        disk_sync_names(h->file->machine);
        h->has_synced = true;
    }
    return rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct handle *h = of(file);
    int rc = SQLITE_IOERR_FSYNC;

    (void)flags;
    (void)pthread_mutex_lock(&lock);
    if (!h->file->is_dead && has_power(h->file->machine)) {
        if (sync_fails(h->file))
            forget_dirty(h);
        else
            rc = h->file->machine->lies ? SQLITE_OK : sync_file(h);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size_r)
{
    struct file *f = of(file)->file;
    int rc = SQLITE_IOERR_FSTAT;

    (void)pthread_mutex_lock(&lock);
    if (!f->is_dead) {
        *size_r = (sqlite3_int64)f->size;
        rc = SQLITE_OK;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- what a log, with no file below it, does not pass on ---- */

static int log_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int log_sector_size(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int log_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static void make_methods(void)
{
    db_methods = sqlite_pass_methods;
    db_methods.xClose = file_close;
    db_methods.xRead = file_read;
    db_methods.xWrite = file_write;
    db_methods.xTruncate = file_truncate;
    db_methods.xSync = file_sync;
    db_methods.xFileSize = file_size;
    log_methods = db_methods;
    log_methods.iVersion = 1; /* no shared memory, and nobody asks for locks */
    log_methods.xFileControl = log_control;
    log_methods.xSectorSize = log_sector_size;
    log_methods.xDeviceCharacteristics = log_characteristics;
}

/* ---- names ---- */

/* A database; its file is made durable when it is made. */
static int open_under(struct handle *h, const char *name, int flags, int *flags_r)
{
    int rc;

    h->pass.under = (sqlite3_file *)(h + 1);
    rc = system_vfs->xOpen(system_vfs, name, h->pass.under, flags, flags_r);
    if (rc == SQLITE_OK)
        h->file->is_there = h->file->is_on_disk = true;
    return rc;
}

static int open_named(struct handle *h, const char *name, int flags, int *flags_r)
{
    struct file *f = file_get(name);
    int rc = SQLITE_OK;

    if (f->machine->is_cut)
        return SQLITE_CANTOPEN;
    h->file = f;
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
        rc = open_under(h, name, flags, flags_r);
    } else if (!f->is_there && (flags & SQLITE_OPEN_CREATE) == 0) {
        rc = SQLITE_CANTOPEN;
    } else {
        f->is_there = true;
        if (flags_r != NULL)
            *flags_r = flags;
    }
    if (rc != SQLITE_OK)
        return rc;
    f->handles++;
    h->pass.base.pMethods = h->pass.under != NULL ? &db_methods : &log_methods;
    return SQLITE_OK;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_r)
{
    const int ours = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
    int rc;

    (void)vfs;
    if (name == NULL || (flags & ours) == 0)
        return system_vfs->xOpen(system_vfs, name, file, flags, flags_r);
    *of(file) = (struct handle){ .file = NULL };
    (void)pthread_mutex_lock(&lock);
    rc = open_named(of(file), name, flags, flags_r);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* Synced or not: a directory that is not may yet lose the name. */
static int remove_named(const char *name, bool synced)
{
    struct file *f = file_get(name);
    struct machine *m = f->machine;

    if (!has_power(m)) /* f may be gone by that */
        return SQLITE_IOERR_DELETE;
    if (!f->is_there)
        return SQLITE_IOERR_DELETE_NOENT;
    f->is_there = false;
    f->size = f->kept = 0;
    if (f->dirty != NULL)
        memset(f->dirty, 0, f->max / SECTOR);
    if ((synced && !m->lies) || leaks(m))
        disk_sync_names(m);
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int synced)
{
    int rc;

    (void)vfs;
    (void)pthread_mutex_lock(&lock);
    rc = remove_named(name, synced != 0);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
    const struct file *f;

    (void)vfs;
    (void)pthread_mutex_lock(&lock);
    f = file_find(name);
    if (f != NULL && flags == SQLITE_ACCESS_EXISTS)
        *result_r = f->is_there && f->size > 0;
    (void)pthread_mutex_unlock(&lock);
    return f != NULL && flags == SQLITE_ACCESS_EXISTS
               ? SQLITE_OK
               : system_vfs->xAccess(system_vfs, name, flags, result_r);
}

static void start(void)
{
    static sqlite3_vfs power;

    system_vfs = sqlite_pass_over(&power, "power", sizeof(struct handle));
    assert(system_vfs != NULL);
    make_methods();
    power.xOpen = open_file;
    power.xDelete = delete_file;
    power.xAccess = access_file;
    (void)sqlite3_vfs_register(&power, 1);
}

void power_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, start);
}

/* ---- the switch ---- */

static struct machine *locked(const char *dir)
{
    (void)pthread_mutex_lock(&lock);
    return machine_get(dir, strlen(dir));
}

size_t power_cut_at(const char *dir, size_t n)
{
    struct machine *m = locked(dir);
    size_t calls = m->calls;

    m->calls = 0;
    m->cut_at = n;
    (void)pthread_mutex_unlock(&lock);
    return calls;
}

void power_cut(const char *dir)
{
    cut(locked(dir));
    (void)pthread_mutex_unlock(&lock);
}

bool power_is_cut(const char *dir)
{
    bool is_cut = locked(dir)->is_cut;

    (void)pthread_mutex_unlock(&lock);
    return is_cut;
}

void power_restore(const char *dir)
{
    struct machine *m = locked(dir);

    m->is_cut = false;
    m->cut_at = 0;
    (void)pthread_mutex_unlock(&lock);
}

void power_leak(const char *dir, unsigned percent, unsigned seed)
{
    struct machine *m = locked(dir);

    m->leak = percent;
    m->random = seed * 2654435761u | 1u;
    (void)pthread_mutex_unlock(&lock);
}

void power_lie(const char *dir, bool lies)
{
    locked(dir)->lies = lies;
    (void)pthread_mutex_unlock(&lock);
}

void power_fill(const char *dir, bool is_full)
{
    locked(dir)->is_full = is_full;
    (void)pthread_mutex_unlock(&lock);
}

void power_fail_sync(const char *dir, const char *name, size_t n, bool drops)
{
    struct machine *m = locked(dir);

    free(m->sync_name);
    m->sync_name = mem_strdup(name);
    m->sync_left = n;
    m->drops = drops;
    m->has_failed_sync = false;
    (void)pthread_mutex_unlock(&lock);
}

bool power_has_failed_sync(const char *dir)
{
    bool has = locked(dir)->has_failed_sync;

    (void)pthread_mutex_unlock(&lock);
    return has;
}

void power_forget(const char *dir)
{
    struct machine *m = locked(dir);

    cut(m);
    for (struct machine **at = &machines; *at != NULL; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    free(m->sync_name);
    free(m->dir);
    free(m);
    (void)pthread_mutex_unlock(&lock);
}
