import approvals.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('approvals', '0016_stages'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.UUIDField(default=approvals.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('service', models.CharField(editable=False, max_length=20, verbose_name='service')),
                ('name', models.CharField(blank=True, max_length=80, verbose_name='name')),
                ('kept', models.TextField(blank=True, editable=False)),
                ('carries', models.CharField(choices=[('both', 'Everything'), ('urgent', 'Only what is urgent'), ('normal', 'Only what is not urgent')], default='both', max_length=6, verbose_name='carries')),
                ('active', models.BooleanField(default=True, verbose_name='active')),
                ('state', models.CharField(choices=[('untried', 'Not used yet'), ('works', 'Works'), ('failed', 'Does not work')], default='untried', editable=False, max_length=7, verbose_name='state')),
                ('tried_at', models.DateTimeField(editable=False, null=True, verbose_name='last tried')),
                ('error', models.CharField(blank=True, editable=False, max_length=200, verbose_name='last error')),
                ('failures', models.PositiveIntegerField(default=0, editable=False)),
                ('told_at', models.DateTimeField(editable=False, help_text='When it last carried something.', null=True)),
                ('rests_until', models.DateTimeField(editable=False, help_text='After failures: nothing is tried before.', null=True)),
                ('leased_until', models.DateTimeField(editable=False, help_text='One worker at a time.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
            ],
            options={
                'verbose_name': 'channel',
                'verbose_name_plural': 'channels',
                'ordering': ['created_at'],
            },
        ),
        migrations.CreateModel(
            name='SlackAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('team', models.CharField(max_length=40)),
                ('account', models.CharField(max_length=40)),
                ('linked_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='SlackMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('place', models.CharField(help_text="Slack's id of the conversation.", max_length=40)),
                ('stamp', models.CharField(help_text="Slack's id of the message in it.", max_length=40)),
                ('revision', models.PositiveIntegerField()),
                ('round', models.PositiveIntegerField()),
                ('digest', models.CharField(max_length=71)),
                ('sent_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(help_text='When its buttons were taken away.', null=True)),
            ],
        ),
        migrations.AddField(
            model_name='approval',
            name='soon_at',
            field=models.DateTimeField(help_text='When the tier is told that little time is left; NULL: told.', null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='urgent',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='user',
            name='desktop',
            field=models.BooleanField(default=False, verbose_name='notifications of the browser while the inbox is open'),
        ),
        migrations.AddField(
            model_name='user',
            name='quiet_from',
            field=models.TimeField(blank=True, null=True, verbose_name='quiet from'),
        ),
        migrations.AddField(
            model_name='user',
            name='quiet_until',
            field=models.TimeField(blank=True, null=True, verbose_name='until'),
        ),
        migrations.AddField(
            model_name='user',
            name='quiet_urgent',
            field=models.BooleanField(default=True, verbose_name='what is urgent comes through all the same'),
        ),
        migrations.AddField(
            model_name='user',
            name='tell_escalated',
            field=models.CharField(choices=[('none', 'Not at all'), ('normal', 'As something normal'), ('urgent', 'As something urgent')], default='urgent', max_length=6, verbose_name='something escalated to my tier'),
        ),
        migrations.AddField(
            model_name='user',
            name='tell_new',
            field=models.CharField(choices=[('none', 'Not at all'), ('normal', 'As something normal'), ('urgent', 'As something urgent')], default='normal', max_length=6, verbose_name='something new for my tier'),
        ),
        migrations.AddField(
            model_name='user',
            name='tell_soon',
            field=models.CharField(choices=[('none', 'Not at all'), ('normal', 'As something normal'), ('urgent', 'As something urgent')], default='urgent', max_length=6, verbose_name='something is due soon'),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='channel',
            field=models.CharField(choices=[('mail', 'Mail'), ('webhook', 'Webhook'), ('notice', 'Notification')], max_length=7),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='gives_up_at',
            field=models.DateTimeField(help_text='What is still undelivered then is dead.', null=True),
        ),
        migrations.AddIndex(
            model_name='approval',
            index=models.Index(condition=models.Q(('soon_at__isnull', False), ('status', 'pending')), fields=['soon_at'], name='approval_soon'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('quiet_from', None), ('quiet_until', None)), models.Q(('quiet_from__isnull', False), ('quiet_until__isnull', False), models.Q(('quiet_from', models.F('quiet_until')), _negated=True)), _connector='OR'), name='user_quiet_hours_have_two_ends'),
        ),
        migrations.AddField(
            model_name='channel',
            name='domain',
            field=models.ForeignKey(blank=True, help_text='Empty: every domain.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='approvals.domain', verbose_name='domain'),
        ),
        migrations.AddField(
            model_name='channel',
            name='tier',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to='approvals.tier', verbose_name='tier'),
        ),
        migrations.AddField(
            model_name='channel',
            name='user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='channels', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delivery',
            name='via',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='approvals.channel', verbose_name='by'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'due'), ('via__isnull', False)), fields=['via', 'due_at'], name='delivery_of_channel'),
        ),
        migrations.AddField(
            model_name='slackaccount',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='slack', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='slackmessage',
            name='approval',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='slack_messages', to='approvals.approval'),
        ),
        migrations.AddField(
            model_name='slackmessage',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('domain', None), ('tier', None), ('user__isnull', False)), models.Q(('tier__isnull', False), ('user', None)), _connector='OR'), name='channel_is_a_persons_or_a_tiers'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(condition=models.Q(('service__in', ['mail', 'slackapp'])), fields=('user', 'service'), name='channel_once_built_in'),
        ),
        migrations.AddConstraint(
            model_name='slackaccount',
            constraint=models.UniqueConstraint(fields=('team', 'account'), name='slack_account_once'),
        ),
        migrations.AddIndex(
            model_name='slackmessage',
            index=models.Index(condition=models.Q(('closed_at', None)), fields=['approval'], name='slack_message_open'),
        ),
        # Who wished for no mail has the address switched off; for everybody else it is on without a row.
        migrations.RunSQL(
            """SET CONSTRAINTS ALL IMMEDIATE;
               INSERT INTO approvals_channel (id, user_id, service, name, kept, carries, active, state, error, failures,
                                              created_at)
               SELECT gen_random_uuid(), id, 'mail', '', '', 'urgent', false, 'untried', '', 0, now()
               FROM approvals_user WHERE NOT mail_on_escalation""",
            reverse_sql="""UPDATE approvals_user SET mail_on_escalation = false WHERE id IN
               (SELECT user_id FROM approvals_channel WHERE service = 'mail' AND NOT active)""",
        ),
        migrations.RemoveField(
            model_name='user',
            name='mail_on_escalation',
        ),
        # What waits already is reminded of, where three quarters of its time are still to pass.
        migrations.RunSQL(
            """UPDATE approvals_approval SET soon_at = created_at + (due_at - created_at) * 0.75
               WHERE status = 'pending' AND created_at + (due_at - created_at) * 0.75 > now()""",
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
