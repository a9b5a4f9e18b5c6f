/* SPDX-License-Identifier: MIT */
/*
 * Reply lines (docs/immp.md, "Command lines"). Text is made safe here and nowhere else: whatever
 * a caller puts into it, a reply stays one line.
 */
#include "wire/reply.h"

#include "wire/status.h"

#include <string.h>

void reply_add(struct str *out, const char *pipeline, int code, bool has_more, const char *text)
{
    size_t from;

    if (pipeline != NULL && *pipeline != '\0') {
        str_add(out, pipeline);
        str_addn(out, ": ", 2);
    }
    str_addc(out, (char)('0' + code / 100 % 10));
    str_addc(out, (char)('0' + code / 10 % 10));
    str_addc(out, (char)('0' + code % 10));
    str_addn(out, "- ", has_more ? 2 : 0);
    str_addn(out, " ", has_more ? 0 : 1);
    from = out->len;
    str_add(out, text);
    for (char *p = out->s + from; (p = strpbrk(p, "\r\n")) != NULL;)
        *p = ' ';
    str_addc(out, '\n');
}

/* "id: " in front of the code, "*" included. Returns what follows it. */
static char *take_pipeline(char *line, struct reply *r)
{
    static const char chars[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = line[0] == '*' ? 1 : strspn(line, chars);

    if (n == 0 || n > LINE_PIPELINE_MAX || line[n] != ':' || line[n + 1] != ' ')
        return line;
    memcpy(r->pipeline, line, n);
    r->pipeline[n] = '\0';
    return line + n + 2;
}

/* "… length=N" at the end of a 251 or 231 announces octets. */
static int take_octets(struct reply *r, struct err *err)
{
    static const char key[] = "length=";
    const char *last = strrchr(r->text, ' ');

    if (r->code != STATUS_MIME && r->code != STATUS_KEY_PEM)
        return 0;
    last = last == NULL ? r->text : last + 1;
    if (!str_starts(last, key))
        return 0;
    if (str_to_u64(last + sizeof key - 1, &r->octets) < 0)
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX,
                       "a reply announces octets of length \"%.40s\"", last + sizeof key - 1);
    r->has_octets = true;
    return 0;
}

int reply_parse(char *line, struct reply *r, struct err *err)
{
    char *p;

    *r = (struct reply){ .text = "" };
    p = take_pipeline(line, r);
    if (strspn(p, "0123456789") != 3 || p[0] == '0')
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX,
                       "a reply does not begin with a code: \"%.40s\"", line);
    r->code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    p += 3;
    if (*p == '-') {
        r->has_more = true;
        p++;
    }
    /* The draft ends a reply without text right after its code. */
    if (*p != ' ' && *p != '\0')
        return err_set(err, ERR_PROTOCOL, STATUS_SYNTAX, "no space behind the code of a reply");
    r->text = *p == ' ' ? p + 1 : p;
    return take_octets(r, err);
}
