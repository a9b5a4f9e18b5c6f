/* SPDX-License-Identifier: MIT */
/* Time: the system's clocks and a fake one, and the two date formats that the protocols use. */
#include "config.h"

#include "base/clock.h"

#include "base/macros.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
    struct timespec ts;

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_wall(const struct clock *c)
{
    (void)c;
    return now_ms(CLOCK_REALTIME);
}

static int64_t system_mono(const struct clock *c)
{
    (void)c;
    return now_ms(CLOCK_MONOTONIC);
}

static int64_t fake_now(const struct clock *c)
{
    return c->fake_ms;
}

const struct clock *clock_system(void)
{
    static const struct clock c = { system_wall, system_mono, 0 };

    return &c;
}

struct clock clock_fake(int64_t at_ms)
{
    return (struct clock){ fake_now, fake_now, at_ms };
}

int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c);
}

int64_t clock_mono_ms(const struct clock *c)
{
    return c->mono_ms(c);
}

/* Floor division, so that times before 1970 come out right too. */
static void split(int64_t at_ms, struct tm *tm, int *ms)
{
    time_t s = (time_t)(at_ms >= 0 ? at_ms / 1000 : -((-at_ms + 999) / 1000));

    *ms = (int)(at_ms - (int64_t)s * 1000);
    if (gmtime_r(&s, tm) == NULL)
        memset(tm, 0, sizeof(*tm));
}

/* v in n digits, and what follows them. */
static char *put(char *out, unsigned v, int n, char behind)
{
    for (int i = n; i-- > 0; v /= 10)
        out[i] = (char)('0' + v % 10);
    out[n] = behind;
    return out + n + 1;
}

/* By hand: a message's way writes half a dozen, and printf costs ten times as much. */
void clock_format_rfc3339(int64_t at_ms, char out[CLOCK_RFC3339_SIZE])
{
    struct tm tm;
    int ms;

    split(at_ms, &tm, &ms);
    out = put(out, (unsigned)(tm.tm_year + 1900), 4, '-');
    out = put(out, (unsigned)(tm.tm_mon + 1), 2, '-');
    out = put(out, (unsigned)tm.tm_mday, 2, 'T');
    out = put(out, (unsigned)tm.tm_hour, 2, ':');
    out = put(out, (unsigned)tm.tm_min, 2, ':');
    out = put(out, (unsigned)tm.tm_sec, 2, '.');
    out = put(out, (unsigned)ms, 3, 'Z');
    *out = '\0';
}

void clock_format_rfc5322(int64_t at_ms, char out[CLOCK_RFC5322_SIZE])
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm;
    int ms;

    split(at_ms, &tm, &ms);
    (void)snprintf(out, CLOCK_RFC5322_SIZE, "%s, %02u %s %04u %02u:%02u:%02u +0000",
                   days[(unsigned)tm.tm_wday % 7u], (unsigned)tm.tm_mday % 100u,
                   months[(unsigned)tm.tm_mon % 12u], (unsigned)(tm.tm_year + 1900) % 10000u,
                   (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
                   (unsigned)tm.tm_sec % 100u);
}

/* Exactly n digits at *s. */
static int take_digits(const char **s, int n, int *v_r)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        char c = (*s)[i];

        if (c < '0' || c > '9')
            return -1;
        v = v * 10 + (c - '0');
    }
    *s += n;
    *v_r = v;
    return 0;
}

static int take_char(const char **s, const char *any)
{
    if (**s == '\0' || strchr(any, **s) == NULL)
        return -1;
    (*s)++;
    return 0;
}

static int parse_date(const char **s, struct tm *tm)
{
    static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int y, m, d, max;

    if (take_digits(s, 4, &y) < 0 || take_char(s, "-") < 0 || take_digits(s, 2, &m) < 0 ||
        take_char(s, "-") < 0 || take_digits(s, 2, &d) < 0 || m < 1 || m > 12)
        return -1;
    max = month_days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    if (d < 1 || d > max)
        return -1;
    tm->tm_year = y - 1900;
    tm->tm_mon = m - 1;
    tm->tm_mday = d;
    return 0;
}

/* "hh:mm:ss[.fraction]"; a leap second counts as the second before. */
static int parse_time(const char **s, struct tm *tm, int *ms_r)
{
    int h, m, sec, scale = 100, ms = 0;

    if (take_digits(s, 2, &h) < 0 || take_char(s, ":") < 0 || take_digits(s, 2, &m) < 0 ||
        take_char(s, ":") < 0 || take_digits(s, 2, &sec) < 0 || h > 23 || m > 59 || sec > 60)
        return -1;
    if (**s == '.') {
        (*s)++;
        if (**s < '0' || **s > '9')
            return -1;
        for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
            ms += (**s - '0') * scale;
    }
    tm->tm_hour = h;
    tm->tm_min = m;
    tm->tm_sec = sec == 60 ? 59 : sec;
    *ms_r = ms;
    return 0;
}

/* "Z" or "+hh:mm": what is to be taken away, in seconds. */
static int parse_offset(const char **s, int *offset_r)
{
    int sign, h, m;

    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        *offset_r = 0;
        return 0;
    }
    sign = **s == '-' ? -1 : 1;
    if (take_char(s, "+-") < 0 || take_digits(s, 2, &h) < 0 || take_char(s, ":") < 0 ||
        take_digits(s, 2, &m) < 0 || h > 23 || m > 59)
        return -1;
    *offset_r = sign * (h * 3600 + m * 60);
    return 0;
}

int clock_parse_rfc3339(const char *s, int64_t *at_ms_r)
{
    struct tm tm = { 0 };
    int ms = 0, offset = 0;

    if (parse_date(&s, &tm) < 0)
        return -1;
    if (*s != '\0' && (take_char(&s, "Tt ") < 0 || parse_time(&s, &tm, &ms) < 0 ||
                       parse_offset(&s, &offset) < 0 || *s != '\0'))
        return -1;
    *at_ms_r = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
    return 0;
}
